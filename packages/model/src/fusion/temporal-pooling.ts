/**
 * Pooling over time: the vectors of a clip's frames become one vector.
 *
 * Every frame counts by its direction, u_t = f_t / |f_t|, so that a frame to which the image tower
 * gives a long vector does not outweigh the others, and a still clip has the direction of its
 * picture. A zero vector has no direction and is left out (masked).
 */
import { softmax } from "../vectors/softmax.js";
import { assertDims, assertFinite, norm, normalise, weightedSum, dot } from "../vectors/vector.js";

/** v = (1 / T) sum_t u_t, the parameter-free pooling of CLIP4Clip (Luo et al., 2021, section 3.3). */
export interface MeanPooling {
  readonly kind: "mean";
}

/**
 * v = sum_t a_t u_t, a = softmax_t(q'u_t / temperature): attention with one query (Vaswani et al.,
 * 2017, formula 1, keys and values being the frames themselves). Without a learned query q is the
 * direction of the frames' mean: frames that look like most of the clip count more than an intro, a
 * title or a cut to something else, and no training is needed.
 */
export interface AttentionPooling {
  readonly kind: "attention";
  /** Above 0. Cosines differ little, so useful values are about .05 to 1; towards infinity the
   * pooling becomes the mean, towards 0 the one frame nearest to the query. */
  readonly temperature: number;
  /** q, shape [d]; used by its direction. */
  readonly query?: ArrayLike<number> | undefined;
}

export type TemporalPooling = MeanPooling | AttentionPooling;

/**
 * Pools the frames of one clip.
 * @param frames T >= 1 vectors of shape [d]
 * @returns shape [d], of length 1 at most; zeros where no frame has a direction
 * @throws RangeError where there is no frame, dimensions differ, an element is not finite or the
 *   temperature is not above 0
 */
export function poolFrames(
  pooling: TemporalPooling,
  frames: readonly Float32Array[],
): Float32Array {
  const units = directions(frames);
  if (units.length === 0) return new Float32Array(frames[0]!.length);
  return weightedSum(units, weightsOf(pooling, units));
}

/**
 * How much each frame counts: a_t, or 1 / T for the mean; 0 for a frame without a direction.
 * @param frames as for `poolFrames`
 * @returns T weights in [0, 1] that sum to 1, all 0 where no frame has a direction
 * @throws as `poolFrames`
 */
export function frameWeights(pooling: TemporalPooling, frames: readonly Float32Array[]): number[] {
  const units = directions(frames);
  const weights = (units.length === 0 ? [] : weightsOf(pooling, units)).values();
  return frames.map((frame) => (norm(frame) === 0 ? 0 : weights.next().value!));
}

function directions(frames: readonly Float32Array[]): Float32Array[] {
  const dims = frames[0]?.length;
  if (dims === undefined) throw new RangeError("temporal pooling: no frames");
  for (const [t, frame] of frames.entries()) {
    assertDims(`frame ${t}`, frame.length, dims);
    assertFinite(frame, `frame ${t}`);
  }
  return frames.filter((frame) => norm(frame) > 0).map(normalise);
}

function weightsOf(pooling: TemporalPooling, units: readonly Float32Array[]): number[] {
  const even = units.map(() => 1 / units.length);
  if (pooling.kind === "mean") return even;
  const { temperature, query } = pooling;
  if (!(temperature > 0)) {
    throw new RangeError(`temperature: expected a number above 0, got ${temperature}`);
  }
  const direction = normalise(query ? Float32Array.from(query) : weightedSum(units, even));
  assertDims("query", direction.length, units[0]!.length);
  return softmax(units.map((unit) => dot(direction, unit) / temperature));
}
