/**
 * Golden vectors: a few inputs of the model with the outputs that its trainer had. They travel in
 * the bundle and are computed again wherever it is read, so that a build of another version, another
 * library or another machine shows at start, and not in slowly wrong recommendations.
 */
import { fuse } from "../fusion/fusion.js";
import type { FusionModel, ModalityVectors } from "../fusion/fusion.js";
import { pool } from "../interests/interests.js";
import type { InterestModel, PooledInteraction } from "../interests/interests.js";

export interface GoldenVectors {
  readonly products: readonly GoldenProduct[];
  readonly histories: readonly GoldenHistory[];
}

/** v = fuse(x_1, .., x_M), of a product with all its modalities or with some. */
export interface GoldenProduct {
  /** For people. */
  readonly name: string;
  readonly vectors: ModalityVectors;
  /** v, shape [d]. */
  readonly fused: Float32Array;
}

/** u = pool(interactions). */
export interface GoldenHistory {
  /** For people. */
  readonly name: string;
  readonly interactions: readonly PooledInteraction[];
  /** u, shape [d]. */
  readonly interest: Float32Array;
}

/** Largest distance of an element from the trained one: two orders above float32's rounding. */
export const GOLDEN_TOLERANCE = 1e-5;

/**
 * Computes every golden vector anew; not the histories of a sequence model, which takes whoever
 * can run its graph (`assertGoldenInterest`).
 * @throws RangeError that names the first product or history with another vector and by how much it
 *   differs; as `fuse` and `pool`
 */
export function assertGoldenVectors(
  { products, histories }: GoldenVectors,
  { fusion, interests }: { readonly fusion: FusionModel; readonly interests: InterestModel },
): void {
  for (const { name, vectors, fused } of products) {
    assertSame(`golden product "${name}"`, fuse(fusion, vectors), fused);
  }
  if (interests.strategy === "sequence") return;
  for (const { name, interactions, interest } of histories) {
    assertSame(`golden history "${name}"`, pool(interests, interactions), interest);
  }
}

/** @throws RangeError where the computed interest is another than the trainer had */
export function assertGoldenInterest(
  { name, interest }: GoldenHistory,
  computed: Float32Array | undefined,
): void {
  assertSame(`golden history "${name}"`, computed, interest);
}

function assertSame(name: string, computed: Float32Array | undefined, trained: Float32Array): void {
  if (computed?.length !== trained.length) {
    const length = computed?.length ?? 0;
    throw new RangeError(`${name}: expected ${trained.length} elements, got ${length}`);
  }
  const difference = trained.reduce((most, x, j) => Math.max(most, Math.abs(x - computed[j]!)), 0);
  if (difference <= GOLDEN_TOLERANCE) return;
  throw new RangeError(
    `${name}: this build gives another vector than the trainer had, apart by ` +
      `${difference.toPrecision(2)} where ${GOLDEN_TOLERANCE} is allowed`,
  );
}
