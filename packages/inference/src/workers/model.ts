/**
 * A graph with the steps before and after it: contents are prepared one at a time,
 * run in batches and pooled. Only worker threads may load this file.
 */
import { join } from "node:path";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Content, EncodeFailure, EncodeResult } from "../encoder.js";
import { imageSteps } from "../image/steps.js";
import type { EncoderFolder } from "../manifest.js";
import { graphMistakes } from "../onnx/graph-fit.js";
import { openGraph } from "../onnx/onnx-graph.js";
import type { OnnxGraph } from "../onnx/onnx-graph.js";
import { relativeDeviation, scaleToUnitLength } from "../onnx/output-vectors.js";
import type { Steps } from "../steps.js";
import { textSteps } from "../text/steps.js";
import { framesSteps, wholeClipSteps } from "../video/steps.js";
import { planBatches } from "./batches.js";
import type { ModelOptions } from "./messages.js";
import { createPriorityMutex } from "./priority-mutex.js";
import type { PriorityMutex } from "./priority-mutex.js";

export interface Model {
  /** Rows of one batch at most; 1 if vectors would depend on what else is in the batch. */
  readonly rowsMax: number;
  /**
   * Results in order; `encoded` counts the contents that got as far as ONNX Runtime, once each.
   * The runs of concurrent calls alternate, urgent ones first; what a call prepares overlaps with
   * the runs of others.
   */
  encode(
    contents: readonly Content[],
    urgent: boolean,
  ): Promise<{ results: EncodeResult[]; encoded: number }>;
  /** After the current run; calls that have not ended by then never do. */
  release(): Promise<void>;
}

/** float32 graphs stay below 1e-5; see `stableInBatches`. */
const DEVIATION_MAX = 1e-4;

/**
 * Loads the graph, checks it against the manifest and by two runs.
 * @throws MarquetryError `invalid` with one line per mistake, `corrupt` if a file is not readable
 */
export async function openModel(
  folder: EncoderFolder,
  { threads, batchMax, ffmpeg }: ModelOptions,
): Promise<Model> {
  const path = join(folder.directory, folder.graph.file);
  const graph = await openGraph(path, threads).catch((cause: unknown) => {
    throw new MarquetryError("corrupt", `${path} cannot be loaded as an ONNX graph`, { cause });
  });
  const mistakes = graphMistakes(folder.graph, graph);
  if (mistakes.length > 0) {
    const lines = mistakes.map((mistake) => `  ${mistake}`);
    throw new MarquetryError(
      "invalid",
      [`${path} is not what its manifest says:`, ...lines].join("\n"),
    );
  }
  const alone = batchMax === 1 || graph.inputs[0]?.shape[0] === 1;
  const { normalise } = folder.manifest;
  const ready = async <Row extends ArrayLike<number>>(steps: Steps<Row>): Promise<Model> =>
    assemble(steps, normalise, graph, (await trial(path, steps, alone)) ? batchMax : 1);
  if (folder.graph.modality === "text") {
    return ready(await textSteps(folder.directory, folder.graph, graph));
  }
  if (folder.graph.modality === "video") return ready(wholeClipSteps(folder.graph, graph, ffmpeg));
  const { manifest } = folder;
  return manifest.modality === "video" && manifest.kind === "frames"
    ? ready(framesSteps(manifest, folder.graph, graph, ffmpeg))
    : ready(imageSteps(folder.graph, graph));
}

function assemble<Row extends ArrayLike<number>>(
  steps: Steps<Row>,
  normalised: boolean,
  graph: OnnxGraph,
  rowsMax: number,
): Model {
  const mutex = createPriorityMutex();
  return {
    rowsMax,
    encode: (contents, urgent) =>
      encodeAll(contents, steps, { rowsMax, normalised, urgent, mutex }),
    release: async () => {
      steps.close?.();
      await mutex.close();
      await graph.release();
    },
  };
}

/** Runs the samples, which finds what the graph's declarations leave open. Answers whether
 * batches are possible. */
async function trial<Row extends ArrayLike<number>>(
  path: string,
  steps: Steps<Row>,
  alone: boolean,
): Promise<boolean> {
  const [first, second] = steps.samples;
  try {
    const singly = [...(await steps.run([first])), ...(await steps.run([second]))];
    return !alone && (await stableInBatches(steps, singly));
  } catch (cause) {
    const message = `${path} does not run as its manifest says: ${reasonOf(cause)}`;
    throw new MarquetryError("invalid", message, { cause });
  }
}

/**
 * Whether a content's vector is the same alone and in a batch. It must be, since an unchanged
 * content is not encoded again and vectors of one product get compared over months.
 *
 * Dynamic int8 quantisation breaks that: `DynamicQuantizeLinear` takes the scale of activations
 * over the whole tensor, padding and neighbours included. Measured with ONNX Runtime 1.30 on the
 * int8 MiniLM that LangChain4j publishes: up to 2.7e-2 per component and a cosine down to .990
 * for the same text, by one token of padding or by batching equal lengths alike. So batches of
 * equal length do not help, and such graphs run row by row, unpadded, which costs 1.5x the time
 * at 16 tokens, 1.3x at 32 and 64, nothing at 128. Other int8 files of the same model (weights
 * only) gave bit-equal vectors in any batch, but took three times as long; hence a trial, not a
 * guess by name.
 */
async function stableInBatches<Row extends ArrayLike<number>>(
  steps: Steps<Row>,
  singly: readonly Float32Array[],
): Promise<boolean> {
  const batched = await steps.run(steps.samples).catch(() => undefined);
  if (batched === undefined) return false;
  return singly.every((vector, i) => relativeDeviation(vector, batched[i]!) <= DEVIATION_MAX);
}

interface Encoding {
  readonly rowsMax: number;
  readonly normalised: boolean;
  readonly urgent: boolean;
  readonly mutex: PriorityMutex;
}

async function encodeAll<Row extends ArrayLike<number>>(
  contents: readonly Content[],
  steps: Steps<Row>,
  { rowsMax, normalised, urgent, mutex }: Encoding,
): Promise<{ results: EncodeResult[]; encoded: number }> {
  const results: EncodeResult[] = [];
  const rows: { readonly at: number; readonly row: Row }[] = [];
  // At once: pictures are decoded beside the runs of other calls.
  const preparedRows = await Promise.all(contents.map((content) => prepared(content, steps)));
  for (const [at, row] of preparedRows.entries()) {
    if ("failure" in row) results[at] = row;
    else rows.push({ at, row });
  }
  const lengths = rows.map(({ row }) => steps.length(row));
  for (const batch of planBatches(lengths, rowsMax, steps.cellsMax)) {
    const members = batch.map((i) => rows[i]!);
    const batchRows = members.map(({ row }) => row);
    const vectors = await mutex.run(urgent, () => runOrRetry(batchRows, steps));
    for (const [i, { at }] of members.entries()) results[at] = finish(vectors[i]!, normalised);
  }
  return { results, encoded: rows.length };
}

async function prepared<Row extends ArrayLike<number>>(
  content: Content,
  steps: Steps<Row>,
): Promise<Row | EncodeFailure> {
  try {
    return await steps.prepare(content);
  } catch (thrown) {
    return failed(thrown);
  }
}

/** A batch that throws is run row by row, so that only the guilty row fails. */
async function runOrRetry<Row extends ArrayLike<number>>(
  rows: readonly Row[],
  steps: Steps<Row>,
): Promise<(Float32Array | EncodeFailure)[]> {
  try {
    return await steps.run(rows);
  } catch (thrown) {
    if (rows.length === 1) return [failed(thrown)];
  }
  const results: (Float32Array | EncodeFailure)[] = [];
  for (const row of rows) {
    results.push(await steps.run([row]).then((vectors) => vectors[0]!, failed));
  }
  return results;
}

function finish(vector: Float32Array | EncodeFailure, normalised: boolean): EncodeResult {
  if ("failure" in vector) return vector;
  const usable = normalised ? scaleToUnitLength(vector) : vector.every(Number.isFinite);
  if (usable) return { vector };
  return { failure: "encoder", detail: "the graph gave a vector of zeros or of values not finite" };
}

function failed(thrown: unknown): EncodeFailure {
  return { failure: "encoder", detail: reasonOf(thrown) };
}

function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
