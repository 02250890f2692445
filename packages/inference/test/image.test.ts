import { afterAll, afterEach, describe, expect, test } from "@jest/globals";
import sharp from "sharp";

import { openEncoder } from "../src/open-encoder.js";
import type { Encoder, EncodeResult } from "../src/encoder.js";
import type { ImageManifest } from "../src/manifest.js";
import { writeImageEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";
import { GREYSCALE, png, TRUE_COLOUR_WITH_ALPHA } from "@marquetry/testing/png";

const opened: Encoder[] = [];

afterAll(removeFolders);

afterEach(async () => {
  await Promise.all(opened.splice(0).map((encoder) => encoder.close()));
});

async function open(changes: Partial<ImageManifest> = {}, workers = 1): Promise<Encoder> {
  const encoder = await openEncoder({ directory: await writeImageEncoder(changes), workers });
  opened.push(encoder);
  return encoder;
}

type Colour = readonly [number, number, number];
const RED: Colour = [255, 0, 0];
const GREEN: Colour = [0, 255, 0];
const BLUE: Colour = [0, 0, 255];
const WHITE: Colour = [255, 255, 255];

/** A picture of four coloured quarters: top left, top right, bottom left, bottom right. */
function quarters(colours: readonly [Colour, Colour, Colour, Colour], width = 64, height = 64) {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const colour = colours[(y < height / 2 ? 0 : 2) + (x < width / 2 ? 0 : 1)]!;
      data.set(colour, (y * width + x) * 3);
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** Colours (0..255) of the four quarters, as the graph saw them. */
function seen(result: EncodeResult | undefined): number[][] {
  if (result === undefined || !("vector" in result)) throw new Error(JSON.stringify(result));
  const vector = Array.from(result.vector);
  return [0, 1, 2, 3].map((quarter) => [0, 4, 8].map((plane) => 255 * vector[plane + quarter]!));
}

function expectColours(result: EncodeResult | undefined, colours: readonly Colour[], within = 20) {
  const actual = seen(result);
  for (const [i, colour] of colours.entries()) {
    for (const [c, value] of colour.entries()) {
      expect(Math.abs(actual[i]![c]! - value)).toBeLessThanOrEqual(within);
    }
  }
}

const FOUR = [RED, GREEN, BLUE, WHITE] as const;

describe("pictures", () => {
  test("every raster format comes out upright, in its colours, in both layouts", async () => {
    const files = await Promise.all([
      quarters(FOUR).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer(),
      quarters(FOUR).png().toBuffer(),
      quarters(FOUR).webp({ quality: 95 }).toBuffer(),
      quarters(FOUR).gif().toBuffer(),
      quarters(FOUR).tiff().toBuffer(),
      quarters(FOUR).avif({ quality: 90, chromaSubsampling: "4:4:4" }).toBuffer(),
    ]);
    for (const layout of ["nchw", "nhwc"] as const) {
      const encoder = await open({ layout });
      for (const result of await encoder.encode(files)) expectColours(result, FOUR, 30);
      expect(encoder.encodedTotal()).toBe(files.length);
    }
  });

  test("the rotation in EXIF is applied", async () => {
    const encoder = await open();
    // Orientation 6: the stored rows are columns of the picture, turned by 90 degrees.
    const file = await quarters(FOUR).withMetadata({ orientation: 6 }).png().toBuffer();
    const [result] = await encoder.encode([file]);
    expectColours(result, [BLUE, RED, WHITE, GREEN]);
  });

  test("CMYK, greyscale, 16 bit and transparent pictures become plain 8-bit colours", async () => {
    const encoder = await open();
    const cmyk = await quarters([WHITE, WHITE, WHITE, WHITE])
      .toColourspace("cmyk")
      .jpeg()
      .toBuffer();
    expect((await sharp(cmyk).metadata()).channels).toBe(4);
    const grey = png(
      { width: 2, height: 2, colourType: GREYSCALE },
      Uint8Array.from([0, 128, 128, 0, 128, 128]),
    );
    // Filter byte, then red, green, blue as big-endian 16 bit, for two pixels a line.
    const line = [0, 0xff, 0xff, 0x80, 0, 0, 0, 0xff, 0xff, 0x80, 0, 0, 0];
    const deep = png({ width: 2, height: 2, depth: 16 }, Uint8Array.from([...line, ...line]));
    // Green, but wholly transparent: it shows the white behind.
    const clear = png(
      { width: 1, height: 1, colourType: TRUE_COLOUR_WITH_ALPHA },
      Uint8Array.from([0, 0, 255, 0, 0]),
    );
    const results = await encoder.encode([cmyk, grey, deep, clear]);
    expectColours(results[0], [WHITE, WHITE, WHITE, WHITE]);
    expectColours(results[1], [[128, 128, 128]], 3);
    expectColours(results[2], [[255, 128, 0]], 3);
    expectColours(results[3], [WHITE], 0);
  });

  test("crop keeps the centre, squash the whole", async () => {
    // A wide picture: red, then white in the middle half, then red.
    const width = 128;
    const data = new Uint8Array(width * 64 * 3);
    for (let i = 0; i < width * 64; i += 1) {
      const x = i % width;
      data.set(x >= 32 && x < 96 ? WHITE : RED, i * 3);
    }
    const file = await sharp(data, { raw: { width, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    const crop = await open({ fit: "crop", resizeTo: 10 });
    expectColours((await crop.encode([file]))[0], [WHITE, WHITE, WHITE, WHITE], 2);
    const squash = await open({ fit: "squash" });
    expectColours((await squash.encode([file]))[0], [[255, 128, 128]], 20);
  });

  test("values are normalised by the manifest's mean and std", async () => {
    const encoder = await open({ mean: [0.5, 0.25, 0], std: [0.5, 0.25, 2] });
    const [result] = await encoder.encode([
      await quarters([WHITE, WHITE, WHITE, WHITE]).png().toBuffer(),
    ]);
    const expected = [1, 3, 0.5].map((value) => 255 * value);
    for (const quarter of seen(result)) {
      for (const [c, value] of quarter.entries()) expect(value).toBeCloseTo(expected[c]!, 2);
    }
  });

  test("a broken picture among good ones costs only itself, and is not counted", async () => {
    const encoder = await open({}, 2);
    const good = await quarters(FOUR).png().toBuffer();
    const noise = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 251);
    const jpeg = await quarters([RED, BLUE, BLUE, RED], 512, 512).jpeg().toBuffer();
    const contents = Array.from({ length: 40 }, () => good as Uint8Array);
    contents[7] = noise;
    contents[19] = new Uint8Array(0);
    contents[20] = jpeg.subarray(0, jpeg.length / 2);
    contents[33] = good.subarray(0, 60);
    const results = await encoder.encode(contents);
    for (const [i, result] of results.entries()) {
      if ([7, 19, 20, 33].includes(i)) expect(result).toMatchObject({ failure: "undecodable" });
      else expectColours(result, FOUR);
    }
    expect(encoder.encodedTotal()).toBe(36);
  });

  test("too many pixels are refused by the header, before anything is decoded", async () => {
    const encoder = await open();
    const bomb = png({ width: 30_000, height: 30_000 }, new Uint8Array(16));
    const [result] = await encoder.encode([bomb]);
    expect(result).toEqual({
      failure: "too-large",
      detail: "30000 x 30000 pixels, above 50000000",
    });
    expect(encoder.encodedTotal()).toBe(0);
  });

  test("an extremely narrow picture neither hangs nor costs memory", async () => {
    const encoder = await open({ fit: "crop", resizeTo: 8 });
    const strip = png(
      { width: 1, height: 2_000_000, colourType: GREYSCALE },
      new Uint8Array(4_000_000),
    );
    const before = process.memoryUsage().rss;
    const [result] = await encoder.encode([strip]);
    expect(result).toBeDefined();
    expect(process.memoryUsage().rss - before).toBeLessThan(500e6);
  });

  test("SVG, PDF and other formats that can do more than show pixels are refused", async () => {
    const encoder = await open();
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>';
    const contents = [
      svg,
      `<?xml version="1.0"?>\n<!-- x -->${svg}`,
      "%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF",
      "P6 1 1 255 \x01\x02\x03",
      "<html></html>",
    ];
    const files = contents.map((content) => new TextEncoder().encode(content));
    for (const result of await encoder.encode(files)) {
      expect(result).toMatchObject({
        failure: "undecodable",
        detail: expect.stringMatching(/unsupported image format/),
      });
    }
  });

  test("the caller's bytes stay as they were, even where they are part of a larger buffer", async () => {
    const encoder = await open();
    const file = await quarters(FOUR).png().toBuffer();
    const pool = new Uint8Array(file.length + 20);
    pool.set(file, 10);
    const part = pool.subarray(10, 10 + file.length);
    expectColours((await encoder.encode([part]))[0], FOUR);
    expectColours((await encoder.encode([part]))[0], FOUR);
    expect(pool.length).toBe(file.length + 20);
  });
});
