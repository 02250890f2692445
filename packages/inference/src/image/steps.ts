import { openPixels } from "./preprocessing.js";
import type { ImageManifest } from "../manifest.js";
import type { Steps } from "../steps.js";
import type { Feed, OnnxGraph } from "../onnx/onnx-graph.js";
import { pooledVectors } from "../onnx/output-vectors.js";

/** Pictures: every row has the same extent, so nothing is padded. */
export function imageSteps(manifest: ImageManifest, graph: OnnxGraph): Steps<Float32Array> {
  const { input, output, dims, size, layout, pooling } = manifest;
  const pixels = openPixels(manifest);
  const shape = layout === "nchw" ? [3, size, size] : [size, size, 3];
  const extent = 3 * size * size;
  return {
    cellsMax: Number.MAX_SAFE_INTEGER,
    samples: [
      Float32Array.from({ length: extent }, (_, i) => 0.2 * Math.sin(i / 50)),
      Float32Array.from({ length: extent }, (_, i) => ((i * 7919) % 997) / 500 - 1),
    ],
    length: () => 1,
    prepare: (content) => pixels.prepare(content as Uint8Array),
    async run(rows) {
      const data = new Float32Array(rows.length * extent);
      for (const [i, row] of rows.entries()) data.set(row, i * extent);
      const feed: Feed = { type: "float32", data, dims: [rows.length, ...shape] };
      return pooledVectors(await graph.run({ [input]: feed }, output), rows.length, dims, pooling);
    },
  };
}
