/** Whether a graph is what its manifest says, as far as its declarations tell. */
import type { ClipManifest, GraphManifest, ImageManifest } from "../manifest.js";
import type { TensorInfo } from "./onnx-graph.js";

interface GraphDeclaration {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

/** An input the manifest asks for; `undefined` in the shape stands for any extent. */
interface ExpectedInput {
  readonly name: string;
  readonly type: "int64" | "float32";
  readonly shape: readonly (number | undefined)[];
}

/** One line per mistake, none if the graph fits. What a graph leaves symbolic is found by the
 * first run. */
export function graphMistakes(manifest: GraphManifest, graph: GraphDeclaration): string[] {
  const expected = expectedInputs(manifest);
  const mistakes = expected.flatMap((input) => inputMistakes(input, graph.inputs));
  for (const { name } of graph.inputs) {
    if (expected.some((input) => input.name === name)) continue;
    mistakes.push(`the graph also needs input "${name}", which the manifest does not name`);
  }
  const first = graph.inputs.find((input) => input.name === expected[0]?.name);
  const rows = first?.shape[0];
  if (typeof rows === "number" && rows !== 1) {
    mistakes.push(`input "${first?.name}" takes exactly ${rows} rows; expected 1 or any number`);
  }
  const tokens = first?.shape[1];
  if (manifest.modality === "text" && typeof tokens === "number" && tokens < manifest.tokensMax) {
    mistakes.push(`tokensMax is ${manifest.tokensMax}, but the graph takes ${tokens} tokens`);
  }
  return [...mistakes, ...outputMistakes(manifest, graph.outputs)];
}

function expectedInputs(manifest: GraphManifest): ExpectedInput[] {
  if (manifest.modality !== "text") {
    const shape = [undefined, ...pixelShape(manifest)];
    return [{ name: manifest.input, type: "float32", shape }];
  }
  const { inputIds, attentionMask, tokenTypeIds } = manifest.inputs;
  return [inputIds, attentionMask, tokenTypeIds]
    .filter((name) => name !== undefined)
    .map((name) => ({ name, type: "int64", shape: [undefined, undefined] }));
}

function pixelShape(manifest: ImageManifest | ClipManifest): number[] {
  const { size } = manifest;
  if (manifest.modality === "image") {
    return manifest.layout === "nchw" ? [3, size, size] : [size, size, 3];
  }
  const { frames, layout } = manifest;
  return layout === "ncthw" ? [3, frames, size, size] : [frames, 3, size, size];
}

function inputMistakes(expected: ExpectedInput, inputs: readonly TensorInfo[]): string[] {
  const { name, type, shape } = expected;
  const actual = inputs.find((input) => input.name === name);
  if (actual === undefined) return [`the graph has no input "${name}"; ${listed(inputs)}`];
  const mistakes: string[] = [];
  if (actual.type !== type) mistakes.push(`input "${name}" is ${actual.type}; expected ${type}`);
  if (!fits(shape, actual.shape)) {
    const allowed = shape.map((extent) => extent ?? "any").join(", ");
    mistakes.push(`input "${name}" is [${actual.shape.join(", ")}]; expected [${allowed}]`);
  }
  return mistakes;
}

function outputMistakes(manifest: GraphManifest, outputs: readonly TensorInfo[]): string[] {
  const { output, dims } = manifest;
  const actual = outputs.find((candidate) => candidate.name === output);
  if (actual === undefined) return [`the graph has no output "${output}"; ${listed(outputs)}`];
  const mistakes: string[] = [];
  if (actual.type !== "float32") {
    mistakes.push(`output "${output}" is ${actual.type}; expected float32`);
  }
  const perToken = manifest.pooling !== "none";
  const rank = perToken ? 3 : 2;
  if (actual.shape.length > 0 && actual.shape.length !== rank) {
    mistakes.push(
      `output "${output}" is [${actual.shape.join(", ")}]; expected ${rank} dimensions ` +
        (perToken ? "(rows, tokens, dims)" : "(rows, dims)"),
    );
    return mistakes;
  }
  const actualDims = actual.shape.at(-1);
  if (typeof actualDims === "number" && actualDims !== dims) {
    mistakes.push(`output "${output}" has ${actualDims} dims, but the manifest says ${dims}`);
  }
  return mistakes;
}

function fits(
  expected: readonly (number | undefined)[],
  actual: readonly (number | string)[],
): boolean {
  if (actual.length === 0) return true;
  if (actual.length !== expected.length) return false;
  return expected.every(
    (extent, i) => extent === undefined || typeof actual[i] === "string" || actual[i] === extent,
  );
}

function listed(tensors: readonly TensorInfo[]): string {
  return `it has ${tensors.map((tensor) => `"${tensor.name}"`).join(", ")}`;
}
