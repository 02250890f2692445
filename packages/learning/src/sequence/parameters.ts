/** What a sequence model learns, and how it is named. */
import { mulberry32, nearNormal } from "@marquetry/model/vectors/random";
import type { Parameters } from "../training/parameters.js";
import { identityGain } from "./identity.js";
import type { IdentityCode } from "./identity.js";

export interface SequenceShape {
  /** d, the length of a product's vector; a multiple of `heads`. */
  readonly dims: number;
  readonly heads: number;
  /** Width of the feed-forward layer. */
  readonly hidden: number;
  /** L: only so many of the newest interactions count. */
  readonly historyMax: number;
  /** An interaction's weight per newer one in the vector that the block starts from, in (0, 1]. */
  readonly decay: number;
  /** The item-identity code of the vectors. Default: none. */
  readonly identity?: IdentityCode;
}

export const nameOf = {
  /** g, shape [d]. */
  gain: "base.gain",
  /** Before attention and before the feed-forward layer, shape [d] each. */
  scale: (layer: 1 | 2): string => `norm${layer}.scale`,
  shift: (layer: 1 | 2): string => `norm${layer}.shift`,
  /** W_q, W_k, W_v, W_o, shape [d, d]. */
  query: "attention.query",
  key: "attention.key",
  value: "attention.value",
  out: "attention.out",
  /** r, shape [heads, L]: added to the score of the interaction that is so many back. */
  recency: "attention.recency",
  /** W_1 [d, hidden], b_1, W_2 [hidden, d], b_2. */
  feedIn: "feed.in",
  feedInBias: "feed.in-bias",
  feedOut: "feed.out",
  feedOutBias: "feed.out-bias",
} as const;

/** Weights per newer interaction that the heads begin with, in turn: from newest only to all alike. */
const HEAD_DECAYS = [0.5, 0.9, 0.7, 0.98];

/**
 * W_o, W_2 and b_2 begin at zero, so that an untrained model gives the recency-pooled vector; the
 * other matrices are normal with deviation 1 / sqrt(rows).
 * @throws RangeError where `dims` is no multiple of `heads`
 */
export function startSequence(shape: SequenceShape, seed: number): Parameters {
  const { dims, heads, hidden, historyMax } = shape;
  if (dims % heads !== 0) throw new RangeError(`sequence: ${heads} heads cannot share ${dims}`);
  const uniform = mulberry32(seed);
  const normal = (rows: number, cols: number): Float32Array =>
    Float32Array.from({ length: rows * cols }, () => nearNormal(uniform) / Math.sqrt(rows));
  const ones = (): Float32Array => new Float32Array(dims).fill(1);
  return {
    [nameOf.gain]: identityGain(dims, shape.identity),
    [nameOf.scale(1)]: ones(),
    [nameOf.shift(1)]: new Float32Array(dims),
    [nameOf.query]: normal(dims, dims),
    [nameOf.key]: normal(dims, dims),
    [nameOf.value]: normal(dims, dims),
    [nameOf.out]: new Float32Array(dims * dims),
    [nameOf.recency]: Float32Array.from({ length: heads * historyMax }, (_, i) => {
      const head = Math.floor(i / historyMax) % HEAD_DECAYS.length;
      return (i % historyMax) * Math.log(HEAD_DECAYS[head]!);
    }),
    [nameOf.scale(2)]: ones(),
    [nameOf.shift(2)]: new Float32Array(dims),
    [nameOf.feedIn]: normal(dims, hidden),
    [nameOf.feedInBias]: new Float32Array(hidden),
    [nameOf.feedOut]: new Float32Array(hidden * dims),
    [nameOf.feedOutBias]: new Float32Array(dims),
  };
}
