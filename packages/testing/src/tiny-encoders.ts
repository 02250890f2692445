/** Folders with small encoders: manifest, graph, tokenizer. `removeFolders` of folders.ts removes them. */
import { createHash } from "node:crypto";
import { join } from "node:path";

import { onnxModel } from "@marquetry/onnx/writer";
import type { Graph, Node } from "@marquetry/onnx/writer";
import { newFolder } from "./folders.js";

/** The words the tiny tokenizer knows; `poison` has an id beyond the embedding table, so ONNX
 * Runtime throws on it. */
export const WORDS = ["red", "blue", "shoe", "mat", "bag", "warm", "light", "steel"];
const SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
/** Fields of a manifest that replace the usual ones; `packages/inference/src/manifest.ts` has the schema. */
type Changes = Readonly<Record<string, unknown>>;
type ImageChanges = Changes & { readonly layout?: "nchw" | "nhwc" };
type ClipChanges = Changes & { readonly layout?: "ncthw" | "ntchw"; readonly frames?: number };
const TABLE_ROWS = SPECIALS.length + WORDS.length;
/** Of a text encoder's vectors. Default of `textGraph`. */
export const TEXT_DIMS = 16;

/** What makes a text graph special. */
export interface TextGraphOptions {
  /** Quantises activations with one scale per tensor, as dynamic int8 graphs do. */
  readonly quantised?: boolean;
  /** Number of `dims x dims` products, to make it slow. */
  readonly layers?: number;
  readonly dims?: number;
}

/** `input_ids`, `attention_mask` -> `last_hidden_state` [N, T, dims]. */
export function textGraph(options: TextGraphOptions = {}): Graph {
  const { quantised = false, layers = 1, dims = TEXT_DIMS } = options;
  const nodes: Node[] = [{ op: "Gather", inputs: ["table", "input_ids"], outputs: ["x0"] }];
  for (let layer = 0; layer < layers; layer += 1) {
    nodes.push({ op: "MatMul", inputs: [`x${layer}`, "weight"], outputs: [`y${layer}`] });
    nodes.push({ op: "Tanh", inputs: [`y${layer}`], outputs: [`x${layer + 1}`] });
  }
  const last = `x${layers}`;
  if (quantised) {
    const outputs = ["q", "scale", "zero"];
    nodes.push({ op: "DynamicQuantizeLinear", inputs: [last], outputs });
    nodes.push({ op: "DequantizeLinear", inputs: outputs, outputs: ["last_hidden_state"] });
  } else {
    nodes.push({ op: "Identity", inputs: [last], outputs: ["last_hidden_state"] });
  }
  const shape = ["batch", "sequence"];
  return {
    inputs: [
      { name: "input_ids", type: "int64", shape },
      { name: "attention_mask", type: "int64", shape },
    ],
    outputs: [{ name: "last_hidden_state", type: "float32", shape: [...shape, dims] }],
    initializers: [
      { name: "table", dims: [TABLE_ROWS, dims], data: noise(TABLE_ROWS * dims, 1) },
      { name: "weight", dims: [dims, dims], data: noise(dims * dims, 2 / Math.sqrt(dims)) },
    ],
    nodes,
  };
}

/** Of the square pictures that the image and clip graphs read, in pixels. */
export const SIDE = 8;

/** `pixels` [N, 3, 8, 8] -> `quadrants` [N, 12]: the mean of each channel in each quarter of the
 * picture, so channel c of the quarter (row, column) is at 4 c + 2 row + column. */
export function imageGraph(layout: "nchw" | "nhwc"): Graph {
  const planar = layout === "nchw";
  const nodes: Node[] = [
    {
      op: "AveragePool",
      inputs: [planar ? "pixels" : "planes"],
      outputs: ["pooled"],
      attributes: { kernel_shape: [SIDE / 2, SIDE / 2], strides: [SIDE / 2, SIDE / 2] },
    },
    { op: "Flatten", inputs: ["pooled"], outputs: ["quadrants"], attributes: { axis: 1 } },
  ];
  if (!planar) {
    const attributes = { perm: [0, 3, 1, 2] };
    nodes.unshift({ op: "Transpose", inputs: ["pixels"], outputs: ["planes"], attributes });
  }
  const shape = planar ? ["batch", 3, SIDE, SIDE] : ["batch", SIDE, SIDE, 3];
  return {
    inputs: [{ name: "pixels", type: "float32", shape }],
    outputs: [{ name: "quadrants", type: "float32", shape: ["batch", 12] }],
    nodes,
  };
}

/** The folder of a text encoder; `changes` replace fields of its manifest. */
export async function writeTextEncoder(
  changes: Changes = {},
  graph: Graph = textGraph(),
): Promise<string> {
  const model = onnxModel(graph);
  const tokenizer = JSON.stringify(tinyTokenizer());
  const manifest = {
    id: "tiny-text",
    modality: "text",
    file: "model.onnx",
    sha256: sha256(model),
    source: "made by a test",
    licence: "Apache-2.0",
    output: "last_hidden_state",
    dims: TEXT_DIMS,
    normalise: true,
    tokenizer: "tokenizer.json",
    tokenizerSha256: sha256(tokenizer),
    tokensMax: 64,
    pooling: "mean",
    inputs: { inputIds: "input_ids", attentionMask: "attention_mask" },
    prefix: "",
    ...changes,
  };
  return writeFolder({ "model.onnx": model, "tokenizer.json": tokenizer }, manifest);
}

/** Values stay in 0..1 (mean 0, std 1), so that a vector tells the colours. */
export async function writeImageEncoder(
  changes: ImageChanges = {},
  graph: Graph = imageGraph(changes.layout ?? "nchw"),
): Promise<string> {
  const model = onnxModel(graph);
  const manifest = {
    id: "tiny-image",
    modality: "image",
    file: "model.onnx",
    sha256: sha256(model),
    source: "made by a test",
    licence: "Apache-2.0",
    output: "quadrants",
    dims: 12,
    normalise: false,
    input: "pixels",
    layout: "nchw",
    size: SIDE,
    fit: "squash",
    resizeTo: SIDE,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    pooling: "none",
    ...changes,
  };
  return writeFolder({ "model.onnx": model }, manifest);
}

/** `clip` [N, 3, T, 8, 8] or [N, T, 3, 8, 8] -> `colours` [N, 3 T]: the mean of each channel of each
 * frame, so channel c of frame t is at c T + t or at 3 t + c. */
export function clipGraph(layout: "ncthw" | "ntchw", frames: number): Graph {
  const extents = layout === "ncthw" ? [3, frames] : [frames, 3];
  return {
    inputs: [{ name: "clip", type: "float32", shape: ["batch", ...extents, SIDE, SIDE] }],
    outputs: [{ name: "colours", type: "float32", shape: ["batch", 3 * frames] }],
    nodes: [
      {
        op: "ReduceMean",
        inputs: ["clip"],
        outputs: ["means"],
        attributes: { axes: [3, 4], keepdims: 0 },
      },
      { op: "Flatten", inputs: ["means"], outputs: ["colours"], attributes: { axis: 1 } },
    ],
  };
}

/** The folder of an encoder of whole clips. */
export async function writeClipEncoder(changes: ClipChanges = {}): Promise<string> {
  const { layout = "ncthw", frames = 4 } = changes;
  const model = onnxModel(clipGraph(layout, frames));
  const manifest = {
    id: "tiny-clip",
    modality: "video",
    kind: "clip",
    file: "model.onnx",
    sha256: sha256(model),
    source: "made by a test",
    licence: "Apache-2.0",
    output: "colours",
    dims: 3 * frames,
    normalise: false,
    input: "clip",
    layout,
    frames,
    size: SIDE,
    fit: "squash",
    resizeTo: SIDE,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    pooling: "none",
    ...changes,
  };
  return writeFolder({ "model.onnx": model }, manifest);
}

/** An encoder of video frames with its image encoder beside it. */
export async function writeFramesEncoder(
  changes: Changes = {},
  imageChanges: ImageChanges = {},
): Promise<{ video: string; image: string }> {
  const model = onnxModel(imageGraph(imageChanges.layout ?? "nchw"));
  const shared = {
    sha256: sha256(model),
    source: "made by a test",
    licence: "Apache-2.0",
    dims: 12,
    normalise: false,
  };
  const tower = {
    ...shared,
    id: "tiny-image",
    modality: "image",
    file: "model.onnx",
    output: "quadrants",
    input: "pixels",
    layout: "nchw",
    size: SIDE,
    fit: "squash",
    resizeTo: SIDE,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    pooling: "none",
    ...imageChanges,
  };
  const manifest = {
    ...shared,
    id: "tiny-video",
    modality: "video",
    kind: "frames",
    image: "tiny-image",
    frames: 4,
    pooling: { kind: "mean" },
    ...changes,
  };
  const parent = await newFolder({
    "tiny-image/model.onnx": model,
    "tiny-image/manifest.json": JSON.stringify(tower),
    "tiny-video/manifest.json": JSON.stringify(manifest),
  });
  return { video: join(parent, "tiny-video"), image: join(parent, "tiny-image") };
}

/** The folder of an encoder with this manifest. */
export function writeFolder(
  files: Readonly<Record<string, string | Uint8Array>>,
  manifest: object,
): Promise<string> {
  return newFolder({ ...files, "manifest.json": JSON.stringify(manifest) });
}

/** As manifests state it. */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Numbers in -scale..scale, the same in every run (a linear congruential generator). */
function noise(length: number, scale: number): Float32Array {
  let state = 12_345;
  return Float32Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return scale * (state / 1_073_741_824 - 1);
  });
}

function tinyTokenizer(): object {
  const vocab = [...SPECIALS, ...WORDS, "poison"];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIALS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "[CLS]", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "[SEP]", type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
      },
    },
    decoder: null,
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab.map((word, id) => [word, id])),
    },
  };
}
