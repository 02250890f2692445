/** Pictures as hosts send them, through the boundary and the image encoder. */
import { openEncoder } from "@marquetry/inference/open-encoder";
import type { Encoder } from "@marquetry/inference/encoder";
import { writeImageEncoder } from "@marquetry/testing/tiny-encoders";
import { GREYSCALE, png } from "@marquetry/testing/png";
import { removeFolders } from "@marquetry/testing/folders";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import sharp from "sharp";
import { closeAll, LIMITS, readerOf, serve } from "./media-server.js";

let encoder: Encoder;

beforeAll(async () => {
  encoder = await openEncoder({ directory: await writeImageEncoder(), workers: 1 });
});

afterAll(async () => {
  await closeAll();
  await encoder.close();
  await removeFolders();
});

/** The colours of the four quarters as the encoder saw them, or why it saw none. */
async function encode(file: Uint8Array) {
  const server = await serve((_, response) =>
    response.writeHead(200, { "content-type": "image/jpeg" }).end(file),
  );
  const reader = readerOf(server, { bytesMax: { ...LIMITS.bytesMax, image: 10_000_000 } });
  const media = await reader.read({ url: `http://${server.host}/a.jpg`, kind: "image" });
  if ("failure" in media) return { ...media, by: "boundary" };
  if ("unchanged" in media) throw new Error("unchanged");
  const [result] = await encoder.encode([media.bytes]);
  if (result === undefined) throw new Error("no result");
  if ("failure" in result) return { ...result, by: "encoder" };
  // Plane after plane, a quarter each: rounded to none, half or all of a colour.
  return [0, 1, 2, 3].map((quarter) =>
    [0, 4, 8].map((plane) => Math.round(2 * (result.vector[plane + quarter] ?? NaN)) / 2),
  );
}

const RED = [1, 0, 0];
const GREEN = [0, 1, 0];
const BLUE = [0, 0, 1];
const WHITE = [1, 1, 1];
const GREY = [0.5, 0.5, 0.5];

/** Red, green, blue and white quarters, left to right, top to bottom. */
function quarters(width = 64, height = 64) {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const colour = [RED, GREEN, BLUE, WHITE][(y < height / 2 ? 0 : 2) + (x < width / 2 ? 0 : 1)];
      data.set(colour?.map((value) => 255 * value) ?? [], 3 * (y * width + x));
    }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

const quality = { quality: 95, chromaSubsampling: "4:4:4" };

test("a PNG of 30,000 x 30,000 pixels is too large, and not decoded to find that out", async () => {
  // All of them are there, black or white: some 100 kB that would become 2.7 GB.
  const bomb = png(
    { width: 30_000, height: 30_000, depth: 1, colourType: GREYSCALE },
    new Uint8Array(30_000 * (1 + 30_000 / 8)),
  );
  expect(bomb.length).toBeLessThan(200_000);
  const before = process.memoryUsage().rss;
  const start = performance.now();
  expect(await encode(bomb)).toMatchObject({ failure: "too-large", by: "encoder" });
  expect(performance.now() - start).toBeLessThan(2_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
});

test("an SVG, and a picture that is one too, are refused before they reach a decoder", async () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>';
  expect(await encode(Buffer.from(svg))).toMatchObject({ failure: "refused", by: "boundary" });
  const jpeg = await quarters().jpeg().toBuffer();
  const both = Buffer.concat([jpeg.subarray(0, 2), comment(svg), jpeg.subarray(2)]);
  expect((await sharp(both).metadata()).format).toBe("jpeg");
  expect(await encode(both)).toMatchObject({ failure: "refused", by: "boundary" });
  const behind = Buffer.concat([jpeg, Buffer.from(svg)]);
  expect(await encode(behind)).toMatchObject({ failure: "refused", by: "boundary" });
});

function comment(text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length + 2);
  return Buffer.concat([Buffer.from([0xff, 0xfe]), length, Buffer.from(text)]);
}

test("a truncated JPEG is undecodable, not half a picture", async () => {
  const whole = await quarters(512, 512).jpeg(quality).toBuffer();
  expect(await encode(whole)).toEqual([RED, GREEN, BLUE, WHITE]);
  const half = whole.subarray(0, whole.length / 2);
  expect(await encode(half)).toMatchObject({ failure: "undecodable", by: "encoder" });
});

test("of an animated WebP the first frame counts", async () => {
  const frames = Buffer.concat([
    await quarters().raw().toBuffer(),
    Buffer.alloc(64 * 64 * 3, 0),
    Buffer.alloc(64 * 64 * 3, 255),
  ]);
  const animated = await sharp(frames, {
    raw: { width: 64, height: 64 * 3, channels: 3, pageHeight: 64 },
  })
    .webp({ quality: 95, lossless: true })
    .toBuffer();
  expect((await sharp(animated, { animated: true }).metadata()).pages).toBe(3);
  expect(await encode(animated)).toEqual([RED, GREEN, BLUE, WHITE]);
});

test("a CMYK JPEG is seen in its colours", async () => {
  const white = sharp({ create: { width: 64, height: 64, channels: 3, background: "#ffffff" } });
  const cmyk = await white.toColourspace("cmyk").jpeg(quality).toBuffer();
  expect((await sharp(cmyk).metadata()).space).toBe("cmyk");
  expect(await encode(cmyk)).toEqual([WHITE, WHITE, WHITE, WHITE]);
});

test("a PNG of 16 bits a channel is seen in its colours", async () => {
  // A filter byte, then eight pixels of three channels of two bytes, high byte first.
  const line = Buffer.from(`00${"8000".repeat(3 * 8)}`, "hex");
  const deep = png(
    { width: 8, height: 8, depth: 16 },
    Buffer.concat(Array.from({ length: 8 }, () => line)),
  );
  expect((await sharp(deep).metadata()).depth).toBe("ushort");
  expect(await encode(deep)).toEqual([GREY, GREY, GREY, GREY]);
});

test("a portrait that its EXIF data turn is seen upright", async () => {
  // Stored lying; orientation 6 turns it to the right by 90 degrees.
  const portrait = await quarters(96, 64).withMetadata({ orientation: 6 }).jpeg(quality).toBuffer();
  expect((await sharp(portrait).metadata()).orientation).toBe(6);
  expect(await encode(portrait)).toEqual([BLUE, RED, WHITE, GREEN]);
});
