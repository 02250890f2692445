/**
 * A bundle as a pair of files. `manifest.json` holds every name and number, and refers to tensors by
 * their names in `weights.safetensors`, whose digest it carries. The graph of a sequence model is a
 * third file, `interests.onnx`.
 */
import { BUNDLE_ID } from "./bundle.js";
import type { Bundle } from "./bundle.js";
import { sha256Hex } from "./digest.js";
import { assertFusionModel, fusedDims } from "../fusion/fusion.js";
import { assertGoldenVectors } from "./golden.js";
import { assertInterestModel } from "../interests/interests.js";
import {
  allowOnly,
  choiceOf,
  fieldsFrom,
  numberOf,
  objectOf,
  optional,
  recordOf,
  textOf,
} from "./manifest-fields.js";
import type { Fields } from "./manifest-fields.js";
import {
  INTEREST_STRATEGIES,
  readEncoder,
  readFusion,
  readGolden,
  readInterests,
  readNeighbours,
  readRanking,
  readReranker,
  readSimilarity,
  readTraining,
  SHA256,
} from "./manifest-sections.js";
import type { TensorSource } from "./manifest-tensors.js";
import type { Matrix } from "../vectors/matrix.js";
import { assertProductNeighbours, idsToBytes } from "../ranking/neighbours.js";
import { assertRerankerModel, weighsNeighbours } from "../ranking/reranker.js";
import { decodeMixedSafetensors, encodeSafetensors } from "./safetensors.js";
import type { Tensor, TensorData } from "./safetensors.js";
import { assertSimilarityModel } from "../similarity/similarity.js";
import { assertDims } from "../vectors/vector.js";

export interface EncodedBundle {
  /** JSON text. */
  readonly manifest: string;
  /** Safetensors bytes. */
  readonly weights: Uint8Array;
  /** ONNX bytes of a sequence model; absent for other interests. */
  readonly interests?: Uint8Array;
}

export const BUNDLE_FILES = {
  manifest: "manifest.json",
  weights: "weights.safetensors",
  /** There where the interests are a sequence model. */
  interests: "interests.onnx",
} as const;

const FORMAT = "marquetry-bundle-1";
const SECTIONS = ["encoders", "fusion", "interests", "similarity", "ranking"] as const;
const OPTIONAL_SECTIONS = ["reranker", "neighbours", "golden", "training"] as const;
const FIELDS = ["format", "id", "createdBy", "weights", ...SECTIONS, ...OPTIONAL_SECTIONS];

/**
 * Writes a bundle. Equal bundles give equal bytes, whatever the order of their keys; the result is
 * decoded once before it is handed out, so what is written can be read.
 * @throws TypeError or RangeError that names the field which `decodeBundle` would refuse
 */
export async function encodeBundle(bundle: Bundle): Promise<EncodedBundle> {
  const tensors = new Map<string, Tensor<TensorData>>();
  const present = OPTIONAL_SECTIONS.filter((name) => bundle[name] !== undefined);
  const graph = bundle.interests.strategy === "sequence" ? bundle.interests.graph : undefined;
  const values = manifestValues(bundle, graph && (await digestOf(graph)));
  const sections = [...SECTIONS, ...present].map((name) => [
    name,
    toJson(values[name], name, tensors),
  ]);
  const weights = encodeSafetensors(tensors);
  const manifest = {
    format: FORMAT,
    id: bundle.id,
    createdBy: bundle.createdBy,
    ...Object.fromEntries(sections),
    weights: await digestOf(weights),
  };
  const encoded = {
    manifest: `${JSON.stringify(manifest, undefined, 2)}\n`,
    weights,
    ...(graph && { interests: graph }),
  };
  await decodeBundle(encoded.manifest, encoded.weights, encoded.interests);
  return encoded;
}

/**
 * Reads a bundle and checks all of it: the digests of the weights and of the graph, the presence and
 * type of every field, the shape of every tensor, that the parts fit together, and that the golden
 * vectors come out as the trainer had them.
 * @param graph the ONNX bytes of a sequence model
 * @throws TypeError or RangeError that names the field and says what was expected
 */
export async function decodeBundle(
  manifest: string,
  weights: Uint8Array,
  graph?: Uint8Array,
): Promise<Bundle> {
  const fields = allowOnly(fieldsFrom(parseJson(manifest), ""), FIELDS);
  choiceOf(fields, "format", [FORMAT]);
  await checkDigest(objectOf(fields, "weights", ["bytes", "sha256"]), "weights", weights);
  await checkGraph(objectOf(fields, "interests"), graph);
  const tensors: TensorSource = { tensors: decodeMixedSafetensors(weights), used: new Set() };
  const bundle: Bundle = {
    id: textOf(fields, "id", BUNDLE_ID),
    createdBy: textOf(fields, "createdBy", /^.{1,200}$/),
    encoders: recordOf(fields, "encoders", readEncoder),
    fusion: readFusion(objectOf(fields, "fusion"), tensors),
    interests: readInterests(objectOf(fields, "interests"), tensors, graph),
    similarity: readSimilarity(objectOf(fields, "similarity"), tensors),
    ranking: readRanking(objectOf(fields, "ranking")),
    ...optional(fields, "reranker", (f, name) => readReranker(objectOf(f, name))),
    ...optional(fields, "neighbours", (f, name) => readNeighbours(objectOf(f, name), tensors)),
    ...optional(fields, "golden", (f, name) => readGolden(objectOf(f, name), tensors)),
    ...optional(fields, "training", (f, name) => readTraining(objectOf(f, name))),
  };
  for (const name of tensors.tensors.keys()) {
    if (!tensors.used.has(name)) throw new RangeError(`weights: nothing refers to tensor ${name}`);
  }
  assertFits(bundle);
  if (bundle.golden !== undefined) assertGoldenVectors(bundle.golden, bundle);
  return bundle;
}

/**
 * Reads a bundle through a function that reads its files, wherever these are.
 * @param readFile gets `manifest.json`, `weights.safetensors` or, of a sequence model alone,
 *   `interests.onnx`
 * @throws as `decodeBundle`; what `readFile` throws passes through
 */
export async function openBundle(readFile: (name: string) => Promise<Uint8Array>): Promise<Bundle> {
  const manifest = new TextDecoder().decode(await readFile(BUNDLE_FILES.manifest));
  const weights = await readFile(BUNDLE_FILES.weights);
  const interests = objectOf(fieldsFrom(parseJson(manifest), ""), "interests");
  if (!isSequence(interests)) return decodeBundle(manifest, weights);
  return decodeBundle(manifest, weights, await readFile(BUNDLE_FILES.interests));
}

/** The sections under the names that manifests have for their fields. */
function manifestValues(bundle: Bundle, graphDigest: Digest | undefined) {
  const { multiInterest, ...interests } = bundle.interests;
  const { neighbours, golden } = bundle;
  return {
    ...bundle,
    interests: { ...interests, several: multiInterest, ...(graphDigest && { graph: graphDigest }) },
    neighbours: neighbours && { ...neighbours, ids: idsToBytes(neighbours.ids) },
    golden: golden && {
      ...golden,
      histories: golden.histories.map(({ name, interactions, interest }) => ({
        name,
        behaviours: interactions,
        interest,
      })),
    },
  };
}

/** The value as JSON with sorted keys. Tensors are put aside and replaced by their names. */
function toJson(value: unknown, path: string, tensors: Map<string, Tensor<TensorData>>): unknown {
  if (ArrayBuffer.isView(value)) {
    const data = value as TensorData;
    tensors.set(path, { shape: [data.length], data });
    return path;
  }
  if (Array.isArray(value)) return value.map((item, i) => toJson(item, `${path}.${i}`, tensors));
  if (typeof value !== "object" || value === null) return value;
  if ("data" in value && ArrayBuffer.isView(value.data)) {
    const { rows, cols, data } = value as Matrix;
    tensors.set(path, { shape: [rows, cols], data });
    return path;
  }
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    entries.map(([key, field]) => [key, toJson(field, `${path}.${key}`, tensors)]),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TypeError("manifest: not JSON", { cause });
  }
}

interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

async function digestOf(bytes: Uint8Array): Promise<Digest> {
  return { bytes: bytes.length, sha256: await sha256Hex(bytes) };
}

async function checkDigest(fields: Fields, name: string, content: Uint8Array): Promise<void> {
  const bytes = numberOf(fields, "bytes");
  if (bytes !== content.length) {
    throw new RangeError(`${name}.bytes: expected ${bytes} bytes, got ${content.length}`);
  }
  const expected = textOf(fields, "sha256", SHA256);
  const digest = await sha256Hex(content);
  if (digest !== expected) {
    throw new RangeError(`${name}.sha256: expected ${expected}, the ${name} have ${digest}`);
  }
}

function isSequence(interests: Fields): boolean {
  return choiceOf(interests, "strategy", INTEREST_STRATEGIES) === "sequence";
}

/** There is a graph where, and only where, the interests are a sequence model. */
async function checkGraph(interests: Fields, graph: Uint8Array | undefined): Promise<void> {
  if (!isSequence(interests)) {
    if (graph === undefined) return;
    throw new RangeError("interests: a graph, but the strategy is not sequence");
  }
  if (graph === undefined)
    throw new RangeError(`interests.graph: ${BUNDLE_FILES.interests} missing`);
  await checkDigest(objectOf(interests, "graph", ["bytes", "sha256"]), "interests.graph", graph);
}

/** Each part by itself was read; here they are checked against one another. */
function assertFits(bundle: Bundle): void {
  const { encoders, fusion, interests, similarity, reranker, neighbours } = bundle;
  assertFusionModel(fusion);
  const names = new Set(fusion.modalities.map((modality) => modality.name));
  for (const name of Object.keys(encoders)) {
    if (!names.has(name)) throw new RangeError(`encoders.${name}: no modality of the fusion model`);
  }
  for (const { name, dims } of fusion.modalities) {
    const encoder = Object.hasOwn(encoders, name) ? encoders[name] : undefined;
    if (encoder === undefined) throw new RangeError(`encoders.${name}: missing`);
    assertDims(`encoders.${name}.dims`, encoder.dims, dims);
  }
  assertInterestModel(interests, fusedDims(fusion));
  assertSimilarityModel(similarity, fusion);
  if (neighbours !== undefined) assertProductNeighbours(neighbours);
  if (reranker === undefined) return;
  assertRerankerModel(reranker, [...names]);
  if (weighsNeighbours(reranker) && neighbours === undefined) {
    const message = "expected a bundle that carries neighbours, got one without";
    throw new RangeError(`reranker.features.neighbours: ${message}`);
  }
}
