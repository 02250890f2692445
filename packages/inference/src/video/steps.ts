import { poolFrames } from "@marquetry/model/fusion/temporal-pooling";

import { layOut, pixelScales } from "../image/preprocessing.js";
import type { ClipManifest, FramesManifest, ImageManifest } from "../manifest.js";
import type { Steps } from "../steps.js";
import type { Feed, OnnxGraph } from "../onnx/onnx-graph.js";
import { pooledVectors } from "../onnx/output-vectors.js";
import { openFrames } from "./frames.js";
import type { FramePlan } from "./frames.js";

/** Frames of one run of a graph. Clips are large: 16 frames of 224 x 224 are 10 MB, and the
 * activations of a tower many times that. */
const RUN_FRAMES_MAX = 16;

/** An image tower over each frame, pooled over time. */
export function framesSteps(
  manifest: FramesManifest,
  image: ImageManifest,
  graph: OnnxGraph,
  ffmpeg: string,
): Steps<Float32Array> {
  const { frames, pooling } = manifest;
  const { input, output, dims, size, layout } = image;
  const shape = layout === "nchw" ? [3, size, size] : [size, size, 3];
  const extent = 3 * size * size;
  const runMax =
    graph.inputs.find(({ name }) => name === input)?.shape[0] === 1 ? 1 : RUN_FRAMES_MAX;
  return {
    ...clipSteps(image, frames, ffmpeg, (rgb, at, scales) => layOut(rgb, image, scales, at)),
    async run(rows) {
      const vectors: Float32Array[] = [];
      const all = rows.flatMap((row) =>
        Array.from({ length: frames }, (_, t) => row.subarray(t * extent, (t + 1) * extent)),
      );
      for (let start = 0; start < all.length; start += runMax) {
        const some = all.slice(start, start + runMax);
        const feed = stack(some, extent, shape);
        const result = await graph.run({ [input]: feed }, output);
        vectors.push(...pooledVectors(result, some.length, dims, image.pooling));
      }
      return rows.map((_, i) => poolFrames(pooling, vectors.slice(i * frames, (i + 1) * frames)));
    },
  };
}

/** A graph that sees all frames of a clip at once. */
export function wholeClipSteps(
  manifest: ClipManifest,
  graph: OnnxGraph,
  ffmpeg: string,
): Steps<Float32Array> {
  const { input, output, dims, size, layout, frames, pooling } = manifest;
  const shape = layout === "ncthw" ? [3, frames, size, size] : [frames, 3, size, size];
  const extent = 3 * frames * size * size;
  return {
    ...clipSteps(manifest, frames, ffmpeg, (rgb, at, scales) =>
      layOut(rgb, { size, layout: "nchw" }, scales, at),
    ),
    async run(rows) {
      const clips = layout === "ntchw" ? rows : rows.map((row) => planesFirst(row, frames));
      const result = await graph.run({ [input]: stack(clips, extent, shape) }, output);
      return pooledVectors(result, rows.length, dims, pooling);
    },
  };
}

/** What both kinds share: a row is the values of all frames of one clip, frame by frame. */
function clipSteps(
  picture: Pick<ImageManifest, "mean" | "std" | "size" | "fit" | "resizeTo">,
  frames: number,
  ffmpeg: string,
  layOutFrame: (rgb: Uint8Array, at: Float32Array, scales: readonly Float32Array[]) => void,
): Omit<Steps<Float32Array>, "run"> {
  const { size, fit, resizeTo } = picture;
  const plan: FramePlan = { frames, size, fit, resizeTo };
  const scales = pixelScales(picture);
  const sampler = openFrames(ffmpeg);
  const extent = 3 * size * size;
  const length = frames * extent;
  return {
    cellsMax: RUN_FRAMES_MAX,
    samples: [
      Float32Array.from({ length }, (_, i) => 0.2 * Math.sin(i / 50)),
      Float32Array.from({ length }, (_, i) => ((i * 7919) % 997) / 500 - 1),
    ],
    length: () => frames,
    async prepare(content) {
      const rgb = await sampler.sample(content as Uint8Array, plan);
      if ("failure" in rgb) return rgb;
      const row = new Float32Array(length);
      for (let t = 0; t < frames; t += 1) {
        const [from, to] = [t * extent, (t + 1) * extent];
        layOutFrame(rgb.subarray(from, to), row.subarray(from, to), scales);
      }
      return row;
    },
    close: () => sampler.close(),
  };
}

function stack(rows: readonly Float32Array[], extent: number, shape: readonly number[]): Feed {
  const data = new Float32Array(rows.length * extent);
  for (const [i, row] of rows.entries()) data.set(row, i * extent);
  return { type: "float32", data, dims: [rows.length, ...shape] };
}

/** `[T, 3, H, W]` to `[3, T, H, W]`. */
function planesFirst(row: Float32Array, frames: number): Float32Array {
  const reordered = new Float32Array(row.length);
  const plane = row.length / (3 * frames);
  for (let t = 0; t < frames; t += 1) {
    for (let c = 0; c < 3; c += 1) {
      const from = (3 * t + c) * plane;
      reordered.set(row.subarray(from, from + plane), (c * frames + t) * plane);
    }
  }
  return reordered;
}
