/** The encoders that `npm run models` fetches. Without them these tests are skipped, except in
 * CI, where their absence is a failure. */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { modelsDirectory } from "@marquetry/runtime/directories";
import sharp from "sharp";

import { openPixels } from "../src/image/preprocessing.js";
import { openEncoder } from "../src/open-encoder.js";
import type { Encoder, EncodeResult } from "../src/encoder.js";
import type { ImageManifest } from "../src/manifest.js";
import { openTokens } from "../src/text/preprocessing.js";
import { describeWithFfmpeg, reencoded } from "./clips.js";

const models = modelsDirectory(process.env);

function directoryOf(id: string): string | undefined {
  const directory = join(models, id);
  if (existsSync(join(directory, "manifest.json"))) return directory;
  console.warn(`SKIPPED: no encoder in ${directory}; fetch it with "npm run models"`);
  return undefined;
}

function describeEncoder(id: string, body: (encoder: () => Encoder) => void): void {
  const directory = directoryOf(id);
  if (directory === undefined && process.env["CI"] === undefined) {
    describe.skip(id, () => body(() => undefined as never));
    return;
  }
  describe(id, () => {
    let encoder: Encoder;
    beforeAll(async () => {
      if (directory === undefined) throw new Error(`${id} must be fetched in CI`);
      encoder = await openEncoder({ directory, workers: 2 });
    }, 60_000);
    afterAll(() => encoder?.close());
    body(() => encoder);
  });
}

function vector(result: EncodeResult | undefined): number[] {
  if (result === undefined || !("vector" in result)) throw new Error(JSON.stringify(result));
  return Array.from(result.vector);
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

/** Golden numbers, made by these encoders themselves when their preprocessing was found right: what
 * changes them changes the meaning of every vector that is stored. Components by their place. */
type Golden = Readonly<Record<number, number>>;

function expectGolden(values: ArrayLike<number>, golden: Golden, within = 1e-4): void {
  for (const [place, value] of Object.entries(golden)) {
    expect(Math.abs(values[Number(place)]! - value)).toBeLessThan(within);
  }
}

const data = process.env["MARQUETRY_DATA_DIR"] ?? join(process.cwd(), "..", "shared", "data");

/** Skips loudly where a file of the public data is absent. */
function testWithFile(name: string, path: string, body: (file: Buffer) => Promise<void>): void {
  const whole = join(data, "magento-luma", path);
  if (existsSync(whole)) return test(name, async () => body(await readFile(whole)), 60_000);
  console.warn(`SKIPPED: there is no ${whole}`);
  test.skip(name, () => {});
}

async function expectSameInBatch(encoder: Encoder, contents: readonly (string | Uint8Array)[]) {
  const batched = (await encoder.encode(contents)).map(vector);
  for (const [i, content] of contents.entries()) {
    const alone = vector((await encoder.encode([content]))[0]);
    expect(alone).toHaveLength(encoder.manifest.dims);
    const scale = Math.hypot(...alone);
    for (const [d, value] of alone.entries()) {
      expect(Math.abs(value - batched[i]![d]!) / scale).toBeLessThan(1e-4);
    }
  }
}

describeEncoder("all-minilm-l6-v2-int8", (encoder) => {
  const title = (i: number) =>
    `${["Red", "Blue", "Grey"][i % 3]} ${["running shoe", "yoga mat", "steel water bottle"][(i % 5) % 3]} ` +
    "for long days outdoors, ".repeat(i % 6);

  test("a text has the same vector alone and among 64", async () => {
    await expectSameInBatch(
      encoder(),
      Array.from({ length: 64 }, (_, i) => title(i)),
    );
  }, 60_000);

  const golden = "Hero Hoodie – gray & black, women's size M; 100 % cotton, 34,00 €";

  test("a text has the tokens it always had", async () => {
    const { tokensMax } = encoder().manifest as { tokensMax: number };
    const path = join(models, "all-minilm-l6-v2-int8", "tokenizer.json");
    const tokens = openTokens(JSON.parse(await readFile(path, "utf8")) as object, tokensMax, "");
    expect(tokens.encode(golden)).toEqual([
      101, 5394, 7415, 2666, 1516, 3897, 1004, 2304, 1010, 2308, 1005, 1055, 2946, 1049, 1025, 2531,
      1003, 6557, 1010, 4090, 1010, 4002, 1574, 102,
    ]);
  });

  test("a text has the vector it always had, alone and among 64", async () => {
    // Without 8-bit dot products (VNNI) x86 processors round int8 graphs otherwise.
    const cpu = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "latin1") : "";
    const exact = /avx512_vnni|avx_vnni/.test(cpu);
    const texts = [golden, ...Array.from({ length: 63 }, (_, i) => title(i))];
    for (const contents of [[golden], texts]) {
      const [result] = await encoder().encode(contents);
      expectGolden(
        vector(result),
        { 381: -0.190028, 47: 0.142584, 361: -0.141987, 200: 0.136004, 141: 0.125177 },
        exact ? 1e-4 : 2e-2,
      );
    }
  }, 60_000);

  test("texts of like meaning are closer than others", async () => {
    const results = await encoder().encode([
      "red running shoe for men",
      "crimson sneaker, made for jogging",
      "stainless steel water bottle",
    ]);
    const [shoe, sneaker, bottle] = results.map(vector);
    expect(cosine(shoe!, sneaker!)).toBeGreaterThan(cosine(shoe!, bottle!) + 0.2);
  });
});

describeEncoder("efficientnet-lite0", (encoder) => {
  /** Stripes or rings, drawn by formula. */
  function drawing(kind: "stripes" | "rings", phase: number): Promise<Buffer> {
    const data = new Uint8Array(320 * 240 * 3);
    for (let i = 0; i < 320 * 240; i += 1) {
      const x = (i % 320) - 160;
      const y = Math.floor(i / 320) - 120;
      const at = kind === "stripes" ? x + 0.5 * y : Math.hypot(x, y);
      const level = 128 + 120 * Math.sin(at / 9 + phase);
      data.set([level, 255 - level, 90], 3 * i);
    }
    return sharp(data, { raw: { width: 320, height: 240, channels: 3 } })
      .jpeg()
      .toBuffer();
  }

  test("a picture has the same vector alone and among 12", async () => {
    const phases = Array.from({ length: 6 }, (_, i) => i);
    const pictures = await Promise.all(
      phases.flatMap((phase) => [drawing("stripes", phase), drawing("rings", phase)]),
    );
    await expectSameInBatch(encoder(), pictures);
  }, 60_000);

  /** Integers only, and no loss on the way to the encoder. */
  function pattern(): Promise<Buffer> {
    const pixels = new Uint8Array(320 * 240 * 3);
    for (let i = 0; i < 320 * 240; i += 1) {
      const x = (i % 320) - 160;
      const y = Math.floor(i / 320) - 120;
      pixels.set([(x * x + y * y) & 255, (7 * x + 255) & 255, (3 * y + x * y) & 255], 3 * i);
    }
    return sharp(pixels, { raw: { width: 320, height: 240, channels: 3 } })
      .png()
      .toBuffer();
  }

  test("a picture has the pixels and the vector it always had, alone and among 64", async () => {
    const file = await pattern();
    const values = await openPixels(encoder().manifest as ImageManifest).prepare(file);
    if ("failure" in values) throw new Error(values.detail);
    expectGolden(values, { 0: 0.257813, 75_376: 1, 102_599: -0.539063, 150_527: -0.570313 });
    const others = await Promise.all(Array.from({ length: 63 }, (_, i) => drawing("rings", i)));
    for (const contents of [[file], [file, ...others]]) {
      const [result] = await encoder().encode(contents);
      expectGolden(vector(result), {
        989: 0.237267,
        714: 0.220696,
        949: 0.210957,
        113: 0.209177,
        287: 0.205678,
      });
    }
  }, 60_000);

  testWithFile(
    "a photo has the vector it always had",
    join("images", "luma-foam-roller.jpg"),
    async (photo) => {
      const [result] = await encoder().encode([photo]);
      expectGolden(vector(result), {
        418: 0.227209,
        1036: 0.215635,
        139: 0.215008,
        29: 0.186466,
        637: 0.18031,
      });
    },
  );

  test("pictures of the same kind are closer than others", async () => {
    const pictures = [drawing("stripes", 0), drawing("stripes", 2), drawing("rings", 0)];
    const results = await encoder().encode(await Promise.all(pictures));
    const [a, b, other] = results.map(vector);
    expect(cosine(a!, b!)).toBeGreaterThan(cosine(a!, other!));
  });
});

describeEncoder("efficientnet-lite0-frames", (encoder) => {
  describeWithFfmpeg("a shop's clip", () => {
    // Decoders and scalers of other versions of ffmpeg may differ in the last bit of a pixel.
    testWithFile("has the vector it always had, nearly", "luma_model_4s.mp4", async (clip) => {
      const [result] = await encoder().encode([clip]);
      expect(Math.hypot(...vector(result))).toBeCloseTo(1, 5);
      expectGolden(
        vector(result),
        { 984: 0.201052, 233: 0.192748, 1183: 0.174508, 26: 0.171455, 111: 0.159361 },
        5e-3,
      );
    });

    testWithFile(
      "is nearer to one of its frames than to a plain picture",
      "luma_model_4s.mp4",
      async (clip) => {
        const image = await openEncoder({
          directory: join(models, "efficientnet-lite0"),
          workers: 1,
        });
        try {
          const still = await reencoded(clip, "png", ["-ss", "2", "-frames:v", "1"]);
          const other = await sharp({
            create: { width: 300, height: 300, channels: 3, background: "#bbaa44" },
          })
            .png()
            .toBuffer();
          const [frame, plain] = (await image.encode([still, other])).map(vector);
          const whole = vector((await encoder().encode([clip]))[0]);
          expect(cosine(whole, frame!)).toBeGreaterThan(0.8);
          expect(cosine(whole, frame!)).toBeGreaterThan(cosine(whole, plain!) + 0.2);
        } finally {
          await image.close();
        }
      },
    );
  });
});
