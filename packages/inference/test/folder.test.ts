import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, describe, expect, test } from "@jest/globals";

import { openEncoder } from "../src/open-encoder.js";
import { readManifest } from "../src/manifest.js";
import {
  imageGraph,
  sha256,
  textGraph,
  writeFolder,
  writeImageEncoder,
  writeTextEncoder,
} from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";

afterAll(removeFolders);

/** Opens a folder that must be refused, and gives the refusal. */
async function refusal(directory: string): Promise<{ code: string; message: string }> {
  try {
    const encoder = await openEncoder({ directory, workers: 2 });
    await encoder.close();
  } catch (thrown) {
    return thrown as { code: string; message: string };
  }
  throw new Error("the folder was accepted");
}

describe("an encoder's folder", () => {
  test("every mistake of a manifest is one line", async () => {
    const directory = await writeFolder({}, { modality: "image", id: "A b", dims: 0, extra: 1 });
    const call = readManifest(directory);
    await expect(call).rejects.toMatchObject({ code: "invalid" });
    const { message } = (await call.catch((thrown: unknown) => thrown)) as Error;
    const lines = message.split("\n");
    expect(lines[0]).toMatch(/manifest\.json has mistakes:/);
    for (const field of ["id", "dims", "sha256", "layout", "mean"]) {
      expect(lines.filter((line) => line.startsWith(`  ${field}: `))).toHaveLength(1);
    }
    expect(message).toMatch(/extra/);
  });

  test("a file name that leaves the folder is refused", async () => {
    const directory = await writeTextEncoder({ file: "../model.onnx" });
    expect(await refusal(directory)).toMatchObject({
      code: "invalid",
      message: expect.stringMatching(/ {2}file: expected a file name without a folder/),
    });
  });

  test("a crop larger than the picture it is cut from is refused", async () => {
    const directory = await writeImageEncoder({ fit: "crop", size: 8, resizeTo: 7 });
    expect((await refusal(directory)).message).toMatch(/ {2}resizeTo: /);
  });

  test("a missing manifest, a missing file and broken JSON have errors of their own", async () => {
    const directory = await writeTextEncoder();
    await rm(join(directory, "tokenizer.json"));
    expect(await refusal(directory)).toMatchObject({
      code: "not-found",
      message: expect.stringMatching(/tokenizer\.json cannot be read/),
    });
    await writeFile(join(directory, "manifest.json"), "{");
    expect(await refusal(directory)).toMatchObject({ code: "invalid" });
    await rm(join(directory, "manifest.json"));
    expect(await refusal(directory)).toMatchObject({ code: "not-found" });
  });

  test("a file whose sha256 differs is corrupt, and both hashes are named", async () => {
    const wrong = "0".repeat(64);
    const { code, message } = await refusal(await writeTextEncoder({ tokenizerSha256: wrong }));
    expect(code).toBe("corrupt");
    expect(message).toMatch(/tokenizer\.json has sha256 [0-9a-f]{64}, but the manifest says 0{64}/);
    expect(await refusal(await writeTextEncoder({ sha256: wrong }))).toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(/model\.onnx has sha256/),
    });
  });

  test("a file that is no ONNX graph is corrupt", async () => {
    const directory = await writeTextEncoder({ sha256: sha256("not a graph") });
    await writeFile(join(directory, "model.onnx"), "not a graph");
    expect(await refusal(directory)).toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(/cannot be loaded as an ONNX graph/),
    });
  });

  test("a tokenizer that is none is invalid", async () => {
    const directory = await writeTextEncoder({ tokenizerSha256: sha256("{}") });
    await writeFile(join(directory, "tokenizer.json"), "{}");
    expect(await refusal(directory)).toMatchObject({
      code: "invalid",
      message: expect.stringMatching(/tokenizer\.json is no usable tokenizer/),
    });
  });

  test("a graph that does not fit is invalid, with one line per mistake", async () => {
    const directory = await writeTextEncoder({
      output: "pooler_output",
      inputs: { inputIds: "input_ids", attentionMask: "mask" },
    });
    const { code, message } = await refusal(directory);
    expect(code).toBe("invalid");
    expect(message.split("\n").slice(1)).toEqual([
      '  the graph has no input "mask"; it has "input_ids", "attention_mask"',
      '  the graph also needs input "attention_mask", which the manifest does not name',
      '  the graph has no output "pooler_output"; it has "last_hidden_state"',
    ]);
  });

  test("wrong dims are found where the graph declares them and where it does not", async () => {
    const declared = await refusal(await writeTextEncoder({ dims: 384 }));
    expect(declared).toMatchObject({ code: "invalid" });
    expect(declared.message).toMatch(/"last_hidden_state" has 16 dims, but the manifest says 384/);

    // One number per token, so the extent of the last axis shows only in a run.
    const graph = textGraph();
    const perToken = await refusal(
      await writeTextEncoder(
        { dims: 384, pooling: "none", output: "sums" },
        {
          ...graph,
          nodes: [
            ...graph.nodes,
            {
              op: "ReduceMean",
              inputs: ["last_hidden_state"],
              outputs: ["sums"],
              attributes: { axes: [2], keepdims: 0 },
            },
          ],
          outputs: [{ name: "sums", type: "float32", shape: ["batch", "sequence"] }],
        },
      ),
    );
    expect(perToken).toMatchObject({ code: "invalid" });
    expect(perToken.message).toMatch(/the output is \[1, 5\]; expected \[1, 384\]/);
  });

  test("an image graph of another layout or size is refused", async () => {
    const layout = await refusal(await writeImageEncoder({ layout: "nhwc" }, imageGraph("nchw")));
    expect(layout.message).toMatch(
      /input "pixels" is \[batch, 3, 8, 8\]; expected \[any, 8, 8, 3\]/,
    );
    const size = await refusal(await writeImageEncoder({ size: 9, resizeTo: 9 }));
    expect(size).toMatchObject({ code: "invalid" });
    expect(size.message).toMatch(/expected \[any, 3, 9, 9\]/);
  });

  test("options out of range are refused", async () => {
    const directory = await writeTextEncoder();
    const call = openEncoder({ directory, workers: 0 });
    await expect(call).rejects.toMatchObject({ code: "invalid", field: "workers" });
  });
});
