/**
 * The scorers of attention with a learned query, f(h, q) (packages/model/src/fusion.ts). Each is
 * h'w with a w that does not depend on h, up to terms that are the same for every modality and
 * cancel in the softmax (c'q + d of the bilinear one, which are therefore not learned):
 *
 *   linear    w = W q
 *   bilinear  w = W q + b
 *   tanh      w = tanh(W q)
 */
import type { AttentionScorer } from "@marquetry/model/fusion";
import { matrix, matVec } from "@marquetry/model/vectors/matrix";
import { mulberry32, nearNormal } from "@marquetry/model/vectors/random";

export type ScorerKind = AttentionScorer["kind"];

/** Names of the learned arrays. */
const NAMES = { weight: "scorer.weight", query: "scorer.query", bias: "scorer.bias" } as const;
/** e, length of q: w has d degrees of freedom for any e. */
const QUERY_DIMS = 8;

type Arrays = Readonly<Record<string, Float32Array>>;

/** q and b begin at 0, so that every modality counts the same; W is random, or q would never move. */
export function startScorer(kind: ScorerKind, dims: number, seed: number): Arrays {
  const uniform = mulberry32(seed);
  const deviation = 1 / Math.sqrt(QUERY_DIMS);
  return {
    [NAMES.weight]: Float32Array.from(
      { length: dims * QUERY_DIMS },
      () => deviation * nearNormal(uniform),
    ),
    [NAMES.query]: new Float32Array(QUERY_DIMS),
    ...(kind === "bilinear" && { [NAMES.bias]: new Float32Array(dims) }),
  };
}

/** w, shape [d]. */
export function scorerDirection(kind: ScorerKind, parameters: Arrays): Float32Array {
  const query = parameters[NAMES.query]!;
  const weight = parameters[NAMES.weight]!;
  const direction = matVec(matrix(weight.length / query.length, query.length, weight), query);
  if (kind === "tanh") return direction.map(Math.tanh);
  const bias = parameters[NAMES.bias];
  return bias === undefined ? direction : direction.map((x, j) => x + bias[j]!);
}

/** Adds to the gradients of W, q and b. @param byDirection of the loss by w, shape [d] */
export function backwardScorer(
  kind: ScorerKind,
  parameters: Arrays,
  byDirection: Float64Array,
  gradients: Arrays,
): void {
  const query = parameters[NAMES.query]!;
  const weight = parameters[NAMES.weight]!;
  const [byQuery, byWeight, byBias] = [
    gradients[NAMES.query]!,
    gradients[NAMES.weight]!,
    gradients[NAMES.bias],
  ];
  const direction = kind === "tanh" ? scorerDirection(kind, parameters) : undefined;
  for (const [j, upstream] of byDirection.entries()) {
    const by = direction === undefined ? upstream : upstream * (1 - direction[j]! ** 2);
    for (let k = 0; k < query.length; k += 1) {
      byWeight[j * query.length + k]! += by * query[k]!;
      byQuery[k]! += by * weight[j * query.length + k]!;
    }
    if (byBias !== undefined) byBias[j]! += by;
  }
}

/** The scorer as a bundle has it. */
export function toModelScorer(
  kind: ScorerKind,
  parameters: Arrays,
): { readonly query: Float32Array; readonly scorer: AttentionScorer } {
  const query = parameters[NAMES.query]!.slice();
  const data = parameters[NAMES.weight]!.slice();
  const weight = matrix(data.length / query.length, query.length, data);
  if (kind !== "bilinear") return { query, scorer: { kind, weight } };
  return {
    query,
    scorer: {
      kind,
      weight,
      valueBias: parameters[NAMES.bias]!.slice(),
      queryBias: new Float32Array(query.length),
      bias: 0,
    },
  };
}
