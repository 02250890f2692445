import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, afterEach, describe, expect, test } from "@jest/globals";
import sharp from "sharp";

import { openEncoder } from "../src/open-encoder.js";
import { listEncoders, spaceMistakes } from "../src/registry.js";
import type { Encoder } from "../src/encoder.js";
import { readManifest } from "../src/manifest.js";
import type { EncoderManifest } from "../src/manifest.js";
import {
  SIDE,
  textGraph,
  WORDS,
  writeClipEncoder,
  writeFramesEncoder,
  writeImageEncoder,
  writeTextEncoder,
} from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";
import type { Graph } from "@marquetry/onnx/writer";

const opened: Encoder[] = [];

afterAll(removeFolders);

afterEach(async () => {
  await Promise.all(opened.splice(0).map((encoder) => encoder.close()));
});

async function open(directory: string): Promise<Encoder> {
  const encoder = await openEncoder({ directory, workers: 1 });
  opened.push(encoder);
  return encoder;
}

async function refusal(directory: string): Promise<string> {
  return open(directory).then(
    () => "accepted",
    (thrown: unknown) => (thrown as Error).message,
  );
}

describe("the registry", () => {
  test("any number of encoders per modality stand beside each other, mistakes are named", async () => {
    const { video } = await writeFramesEncoder();
    const models = join(video, "..");
    await mkdir(join(models, "broken"));
    await mkdir(join(models, ".partial-x"));
    await writeFile(join(models, "notes.txt"), "");
    const renamed = join(models, "other-name");
    await mkdir(renamed);
    const { manifest } = await open(join(models, "tiny-image"));
    await writeFile(join(renamed, "manifest.json"), JSON.stringify(manifest));
    await mkdir(join(models, "tiny-image-2"));
    const second = { ...manifest, id: "tiny-image-2" };
    await writeFile(join(models, "tiny-image-2", "manifest.json"), JSON.stringify(second));
    expect(await listEncoders(models)).toMatchObject([
      { id: "broken", mistake: expect.stringMatching(/manifest\.json cannot be read/) },
      { id: "other-name", mistake: "the folder other-name holds the encoder tiny-image" },
      { id: "tiny-image", manifest: { modality: "image" } },
      { id: "tiny-image-2", manifest: { modality: "image" } },
      { id: "tiny-video", manifest: { modality: "video", kind: "frames" } },
    ]);
    await expect(listEncoders(join(models, "nowhere"))).rejects.toMatchObject({
      code: "not-found",
    });
  });

  test("encoders of one space must have the same dims and agree on normalisation", () => {
    const manifest = (id: string, dims: number, normalise: boolean, space?: string) =>
      ({ id, dims, normalise, space }) as EncoderManifest;
    expect(
      spaceMistakes([
        manifest("a", 4, true, "s"),
        manifest("b", 5, true, "s"),
        manifest("c", 4, false, "s"),
        manifest("d", 4, true, "s"),
        manifest("e", 9, false, "t"),
        manifest("f", 7, false),
      ]),
    ).toEqual(["space s: a has 4 dims and b 5", "space s: a is normalised and c is not"]);
  });

  test("an encoder of frames must name an image encoder, its weights, dims and space", async () => {
    expect(await refusal((await writeFramesEncoder({ image: "nowhere" })).video)).toMatch(
      /nowhere\/manifest\.json cannot be read/,
    );
    expect(await refusal((await writeFramesEncoder({ image: "tiny-video" })).video)).toMatch(
      /image: tiny-video is an encoder of video/,
    );
    const pooling = { kind: "attention", temperature: 1, query: [1, 2] } as const;
    const { video } = await writeFramesEncoder({
      sha256: "0".repeat(64),
      dims: 13,
      space: "s",
      pooling: { ...pooling, query: [...pooling.query] },
    });
    expect((await refusal(video)).split("\n")).toEqual([
      expect.stringMatching(/tiny-video\/manifest\.json has mistakes:$/),
      expect.stringMatching(/^ {2}sha256: the graph of tiny-image has [0-9a-f]{64}$/),
      "  dims: tiny-image has 12, but the manifest says 13",
      "  space: tiny-image has none",
      "  pooling.query: 2 numbers; expected 13",
    ]);
  });

  test("a graph of whole clips must have the layout and the frames of its manifest", async () => {
    const directory = await writeClipEncoder({ layout: "ncthw", frames: 4 });
    const manifest = await readManifest(directory);
    const change = async (changes: object) => {
      await writeFile(
        join(directory, "manifest.json"),
        JSON.stringify({ ...manifest, ...changes }),
      );
      return refusal(directory);
    };
    expect(await change({ layout: "ntchw" })).toMatch(
      /input "clip" is \[batch, 3, 4, 8, 8\]; expected \[any, 4, 3, 8, 8\]/,
    );
    expect(await change({ frames: 5, dims: 15 })).toMatch(
      /expected \[any, 3, 5, 8, 8\][^]*"colours" has 12 dims, but the manifest says 15/,
    );
    expect(await change({ pooling: "cls" })).toMatch(/expected 3 dimensions/);
    expect(await change({ frames: 0 })).toMatch(/ {2}frames: /);
    expect(await change({})).toBe("accepted");
  });

  test("a vision transformer's tokens are pooled as its manifest says", async () => {
    // Four tokens per picture, one per quarter: [N, 12] as [N, 4 tokens, 3 channels].
    const graph: Graph = {
      inputs: [{ name: "pixels", type: "float32", shape: ["batch", 3, SIDE, SIDE] }],
      outputs: [{ name: "tokens", type: "float32", shape: ["batch", 4, 3] }],
      initializers: [{ name: "shape", dims: [3], data: BigInt64Array.of(0n, 3n, 4n) }],
      nodes: [
        {
          op: "AveragePool",
          inputs: ["pixels"],
          outputs: ["pooled"],
          attributes: { kernel_shape: [SIDE / 2, SIDE / 2], strides: [SIDE / 2, SIDE / 2] },
        },
        { op: "Reshape", inputs: ["pooled", "shape"], outputs: ["planes"] },
        {
          op: "Transpose",
          inputs: ["planes"],
          outputs: ["tokens"],
          attributes: { perm: [0, 2, 1] },
        },
      ],
    };
    const picture = await sharp(
      Uint8Array.from({ length: 64 * 3 }, (_, i) => (i % 3 === 0 && (i / 3) % 8 < 4 ? 255 : 0)),
      { raw: { width: 8, height: 8, channels: 3 } },
    )
      .png()
      .toBuffer();
    for (const [pooling, red] of [
      ["cls", 1],
      ["mean", 0.5],
    ] as const) {
      const encoder = await open(
        await writeImageEncoder({ pooling, dims: 3, output: "tokens" }, graph),
      );
      const [result] = await encoder.encode([picture]);
      if (result === undefined || !("vector" in result)) throw new Error("no vector");
      expect(result.vector[0]).toBeCloseTo(red, 5);
      expect(result.vector[1]).toBeCloseTo(0, 5);
    }
  });
});

/**
 * A pair of towers into one space, whose axes are red, green and blue: the text tower knows what
 * the words "red" and "blue" look like, the image tower takes the mean colour.
 */
async function writeTowers(): Promise<{ text: string; image: string }> {
  const table = new Float32Array((4 + WORDS.length) * 3);
  table.set([1, 0, 0], 3 * (4 + WORDS.indexOf("red")));
  table.set([0, 0, 1], 3 * (4 + WORDS.indexOf("blue")));
  const embed = textGraph({ dims: 3 });
  const shared = { space: "tiny-clip", dims: 3, normalise: true, output: "embeds" };
  const text = await writeTextEncoder(
    // As the text towers of CLIP: pooled inside, and without an attention mask.
    { ...shared, id: "tiny-towers-text", pooling: "none", inputs: { inputIds: "input_ids" } },
    {
      inputs: [embed.inputs[0]!],
      outputs: [{ name: "embeds", type: "float32", shape: ["batch", 3] }],
      initializers: [{ name: "table", dims: [4 + WORDS.length, 3], data: table }],
      nodes: [
        { op: "Gather", inputs: ["table", "input_ids"], outputs: ["tokens"] },
        {
          op: "ReduceMean",
          inputs: ["tokens"],
          outputs: ["embeds"],
          attributes: { axes: [1], keepdims: 0 },
        },
      ],
    },
  );
  const image = await writeImageEncoder(
    { ...shared, id: "tiny-towers-image" },
    {
      inputs: [{ name: "pixels", type: "float32", shape: ["batch", 3, SIDE, SIDE] }],
      outputs: [{ name: "embeds", type: "float32", shape: ["batch", 3] }],
      nodes: [
        {
          op: "ReduceMean",
          inputs: ["pixels"],
          outputs: ["embeds"],
          attributes: { axes: [2, 3], keepdims: 0 },
        },
      ],
    },
  );
  return { text, image };
}

describe("a pair of towers", () => {
  test("a text finds the picture of what it says", async () => {
    const towers = await writeTowers();
    const [text, image] = [await open(towers.text), await open(towers.image)];
    expect(text.manifest.space).toBe(image.manifest.space);
    expect(spaceMistakes([text.manifest, image.manifest])).toEqual([]);

    const names = ["red", "lime", "blue"];
    const pictures = await Promise.all(
      names.map((background) =>
        sharp({ create: { width: 20, height: 10, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const shown = await image.encode(pictures);
    const said = await text.encode(["a red shoe", "warm blue bag", "red"]);
    const nearest = said.map((query) => {
      if (!("vector" in query)) throw new Error(query.detail);
      const scores = shown.map((picture) => {
        if (!("vector" in picture)) throw new Error(picture.detail);
        return query.vector.reduce((sum, value, i) => sum + value * picture.vector[i]!, 0);
      });
      return names[scores.indexOf(Math.max(...scores))];
    });
    expect(nearest).toEqual(["red", "blue", "red"]);
    const [red, redText] = [shown[0]!, said[2]!];
    if (!("vector" in red) || !("vector" in redText)) throw new Error("no vector");
    for (const [i, value] of Array.from(red.vector).entries()) {
      expect(redText.vector[i]).toBeCloseTo(value, 4);
    }
  });

  test("towers fetched apart stay a pair only while their dims agree", async () => {
    const { text } = await writeTowers();
    const other = await writeImageEncoder({ space: "tiny-clip", normalise: true });
    const manifests = [await readManifest(text), await readManifest(other)];
    expect(spaceMistakes(manifests)).toEqual([
      "space tiny-clip: tiny-towers-text has 3 dims and tiny-image 12",
    ]);
  });
});
