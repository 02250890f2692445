/** What is learned, and how it is named. */
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, nearNormal, randomVector } from "@marquetry/model/vectors/random";
import type { Csr } from "../linear-algebra/csr.js";
import type { Towers } from "./towers.js";
import type { InterestWeights } from "./pooling.js";
import { startScorer } from "./scorer.js";
import type { ScorerKind } from "./scorer.js";

/** One learned array per name; gradients have the same names and lengths. */
export type Parameters = Readonly<Record<string, Float32Array>>;

/** What the item tower sees of a product. */
export interface TowerShape {
  /** Products. */
  readonly items: number;
  /** Length of a product's vector. */
  readonly dims: number;
  /** Content modalities by name, one row of length 1 or 0 per product; a zero row is absent. */
  readonly content: Readonly<Record<string, Matrix>>;
  /** By product, 1 where it has interactions in training; the others have no row of the table. */
  readonly known: Uint8Array;
  /** Of the attention over a product's modalities. */
  readonly scorer: ScorerKind;
  /** Whether users and candidates go through a tower each. */
  readonly towers?: boolean;
  /** Interests weigh interactions by product and action, too. Default: by recency alone. */
  readonly interests?: {
    /** d_k of the content term. */
    readonly keyDims: number;
    /** b at the start, by action; an interaction without a known action has action 0. */
    readonly biases: Float32Array;
  };
  /** A product adds shares of its neighbours: s + share G s + share^2 G^2 s + .. Default: none. */
  readonly graph?: {
    /** G, symmetric, shape [items, items]. */
    readonly neighbours: Csr;
    readonly share: number;
    /** How many powers of G: neighbours, their neighbours, and so on. */
    readonly layers: number;
  };
}

export const nameOf = {
  /** W_m, shape [d_m, d]. */
  projection: (modality: string): string => `${modality}.projection`,
  /** g_m, one element. */
  gate: (modality: string): string => `${modality}.gate`,
  /** Z, shape [items, d]. */
  table: `${COLLABORATIVE}.table`,
  /** ln of an interaction's weight per newer one; one element. */
  recency: "recency",
  /** W_q and W_k of the interests, shape [d_k, d]; b, shape [actions]. */
  interestQuery: "interest.query",
  interestKey: "interest.key",
  interestBiases: "interest.biases",
  /** T of the user's and the product's tower, shape [d, d]. */
  userTower: "user.tower",
  itemTower: "item.tower",
} as const;

interface StartValues {
  readonly seed: number;
  /** Standard deviation of the table's elements times sqrt(d). */
  readonly tableScale: number;
  /** ln of an interaction's weight per newer one; 0 where histories have no order. */
  readonly recency: number;
}

/** Projections begin as identities (the first d_m dimensions), gates at 0. */
export function startParameters(shape: TowerShape, start: StartValues): Parameters {
  const { items, dims, content, scorer } = shape;
  const parameters: Record<string, Float32Array> = {};
  let block = 0;
  for (const [modality, rows] of Object.entries(content)) {
    // Each modality in a block of its own as long as there is room, so that they do not collide.
    const offset = block + rows.cols <= dims ? block : 0;
    block = offset + rows.cols;
    const projection = matrix(rows.cols, dims);
    for (let j = 0; j < Math.min(rows.cols, dims); j += 1)
      projection.data[j * dims + offset + j] = 1;
    parameters[nameOf.projection(modality)] = projection.data;
    parameters[nameOf.gate(modality)] = new Float32Array(1);
  }
  const uniform = mulberry32(start.seed);
  const deviation = start.tableScale / Math.sqrt(dims);
  parameters[nameOf.table] = Float32Array.from(
    { length: items * dims },
    () => deviation * nearNormal(uniform),
  );
  parameters[nameOf.gate(COLLABORATIVE)] = new Float32Array(1);
  Object.assign(parameters, startScorer(scorer, dims, start.seed + 1));
  parameters[nameOf.recency] = Float32Array.of(start.recency);
  if (shape.interests !== undefined) {
    const { keyDims, biases } = shape.interests;
    // The query starts at 0: at first interactions weigh what they would without a content term.
    parameters[nameOf.interestQuery] = new Float32Array(keyDims * dims);
    const key = randomVector(mulberry32(start.seed + 2), keyDims * dims);
    parameters[nameOf.interestKey] = key.map((x) => x / Math.sqrt(dims));
    parameters[nameOf.interestBiases] = biases.slice();
  }
  if (shape.towers === true) {
    parameters[nameOf.userTower] = new Float32Array(dims * dims);
    parameters[nameOf.itemTower] = new Float32Array(dims * dims);
  }
  return parameters;
}

/** Zeros with the same names and lengths. */
export function zerosLike(parameters: Parameters): Parameters {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, values]) => [name, new Float32Array(values.length)]),
  );
}

/** Views of the towers' parameters; undefined where the shape has none. */
export function towersOf({ dims, towers }: TowerShape, parameters: Parameters): Towers | undefined {
  if (towers !== true) return undefined;
  return {
    user: matrix(dims, dims, parameters[nameOf.userTower]),
    item: matrix(dims, dims, parameters[nameOf.itemTower]),
  };
}

/** What interests weigh interactions by. */
export function interestWeightsOf(
  { dims, interests }: TowerShape,
  parameters: Parameters,
): InterestWeights {
  const recency = parameters[nameOf.recency]![0]!;
  if (interests === undefined) return { recency };
  const rows = interests.keyDims;
  return {
    recency,
    content: {
      query: matrix(rows, dims, parameters[nameOf.interestQuery]),
      key: matrix(rows, dims, parameters[nameOf.interestKey]),
    },
    biases: parameters[nameOf.interestBiases]!,
  };
}

/** Whether it decides how much a modality counts, not what it says. */
export function isWeight(name: string): boolean {
  return name.endsWith(".gate") || name.startsWith("scorer.");
}
