/** The encoders that `npm run models` fetches. Without them these tests are skipped, except in
 * CI, where their absence is a failure. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import sharp from "sharp";

import { type Encoder, type EncodeResult, openEncoder } from "../src/inference/inference.js";

const models =
  process.env["MARQUETRY_MODELS_DIR"] ?? join(homedir(), ".cache", "marquetry", "models");

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

async function expectSameInBatch(encoder: Encoder, contents: readonly (string | Uint8Array)[]) {
  const together = (await encoder.encode(contents)).map(vector);
  for (const [i, content] of contents.entries()) {
    const alone = vector((await encoder.encode([content]))[0]);
    expect(alone).toHaveLength(encoder.manifest.dims);
    const scale = Math.hypot(...alone);
    for (const [d, value] of alone.entries()) {
      expect(Math.abs(value - together[i]![d]!) / scale).toBeLessThan(1e-4);
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
    for (let i = 0; i < 320 * 240; i++) {
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

  test("pictures of the same kind are closer than others", async () => {
    const pictures = [drawing("stripes", 0), drawing("stripes", 2), drawing("rings", 0)];
    const results = await encoder().encode(await Promise.all(pictures));
    const [a, b, other] = results.map(vector);
    expect(cosine(a!, b!)).toBeGreaterThan(cosine(a!, other!));
  });
});
