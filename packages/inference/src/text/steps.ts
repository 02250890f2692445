import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { MarquetryError } from "@marquetry/runtime/errors";

import type { TextManifest } from "../manifest.js";
import type { Steps } from "../steps.js";
import type { Feed, OnnxGraph } from "../onnx/onnx-graph.js";
import { rowVectors, tokenVectors } from "../onnx/output-vectors.js";
import { openTokens } from "./preprocessing.js";
import type { TextTokens } from "./preprocessing.js";

/** Rows x padded tokens of one batch. Above 8 rows a batch is hardly faster per row, while the
 * memory of attention grows with rows x tokens x tokens. */
const CELLS_MAX = 2_048;

/** Text: token ids, padded on the right to the longest of a batch. */
export async function textSteps(
  directory: string,
  manifest: TextManifest,
  graph: OnnxGraph,
): Promise<Steps<readonly number[]>> {
  const { inputs, output, dims, pooling } = manifest;
  const tokens = await readTokens(directory, manifest);
  const declared = graph.inputs.find((input) => input.name === inputs.inputIds)?.shape[1];
  const width = typeof declared === "number" ? declared : undefined;
  return {
    cellsMax: CELLS_MAX,
    samples: [
      tokens.encode("a red shoe"),
      tokens.encode("Waterproof jacket with a hood, 3 pockets and 100% recycled lining."),
    ],
    length: (row) => width ?? row.length,
    prepare: async (content) => tokens.encode(content as string),
    async run(rows) {
      const lengths = rows.map((row) => row.length);
      const extent = width ?? Math.max(...lengths);
      const ids = new BigInt64Array(rows.length * extent);
      const mask = new BigInt64Array(rows.length * extent);
      for (const [i, row] of rows.entries()) {
        for (const [t, id] of row.entries()) ids[i * extent + t] = BigInt(id);
        mask.fill(1n, i * extent, i * extent + row.length);
      }
      const feed = (data: BigInt64Array): Feed => ({
        type: "int64",
        data,
        dims: [rows.length, extent],
      });
      const feeds = { [inputs.inputIds]: feed(ids) };
      if (inputs.attentionMask !== undefined) feeds[inputs.attentionMask] = feed(mask);
      if (inputs.tokenTypeIds !== undefined) {
        feeds[inputs.tokenTypeIds] = feed(new BigInt64Array(ids.length));
      }
      const result = await graph.run(feeds, output);
      if (pooling === "none") return rowVectors(result, rows.length, dims);
      return tokenVectors(result, lengths, extent, dims, pooling);
    },
  };
}

async function readTokens(directory: string, manifest: TextManifest): Promise<TextTokens> {
  const path = join(directory, manifest.tokenizer);
  try {
    const json = JSON.parse(await readFile(path, "utf8")) as object;
    return openTokens(json, manifest.tokensMax, manifest.prefix);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MarquetryError("invalid", `${path} is no usable tokenizer: ${reason}`, { cause });
  }
}
