import { encodeBundle } from "./codec.js";
import type { Bundle, EncoderReference } from "./bundle.js";
import { sha256Hex } from "./digest.js";
import type { WeightedModality } from "../fusion/fusion.js";
import { orthogonalProjection } from "../vectors/projection.js";

export interface ZeroShotOptions {
  /** Length of each modality's block. Default: 384. */
  readonly dims?: number;
  /** w_m by modality, above 0, in any unit: they are divided by their sum. Default: text .6, image
   * .4, video .4. */
  readonly weights?: Readonly<Record<string, number>>;
}

/**
 * One seed for all modalities: encoders that share a space (a pair of text and image towers) still
 * share it behind their projection, which is the same for the same dimensions.
 */
const PROJECTION_SEED = 20_260_601;
const DIMS = 384;
const WEIGHTS: Readonly<Record<string, number>> = { text: 0.6, image: 0.4, video: 0.4 };
const DAY_MS = 86_400_000;

/** What each action counts before anything is learned. */
export const ZERO_SHOT_ACTIONS = {
  view: { bias: 0, sign: 1 },
  click: { bias: 0.3, sign: 1 },
  "add-to-cart": { bias: 0.9, sign: 1 },
  favourite: { bias: 0.9, sign: 1 },
  purchase: { bias: 1.2, sign: 1 },
  dismiss: { bias: 0.9, sign: -1 },
  return: { bias: 1.2 + Math.LN2, sign: -1 },
} as const;

/**
 * A bundle that needs no training. Fusion is a concatenation with block weights sqrt(w_m): where two
 * products have all modalities, the dot product of their fused vectors is
 * sum_m w_m cos_m / sum_m w_m, a weighted mean of per-modality cosines, each behind a fixed
 * orthogonal projection where the encoder's dimensions differ from `dims` (which preserves it
 * approximately towards fewer dimensions, exactly towards more). Where one side lacks a modality, the shared-block cosine
 * takes the same mean over what both have.
 *
 * Interests are pooled by attention over the kind and recency of interactions alone. A dismissal or
 * return pushes away with half the strength of its weight; a return's bias makes up for that half,
 * so a purchase that is returned at once cancels.
 * @param encoders by modality, at least one
 * @returns with an id made of a digest of everything in the bundle: equal input, equal id
 * @throws RangeError where there is no encoder, or a modality without a weight above 0
 */
export async function zeroShotBundle(
  encoders: Readonly<Record<string, EncoderReference | undefined>>,
  options: ZeroShotOptions = {},
): Promise<Bundle> {
  const available = Object.entries(encoders)
    .flatMap(([name, encoder]) => (encoder === undefined ? [] : [{ name, encoder }]))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const draft: Bundle = {
    id: "zero-shot",
    createdBy: "zero-shot",
    encoders: Object.fromEntries(available.map(({ name, encoder }) => [name, encoder])),
    fusion: {
      strategy: "concatenation",
      modalities: weightedModalities(available, options),
      normaliseOutput: true,
    },
    interests: {
      strategy: "attention",
      contentScoring: false,
      actions: ZERO_SHOT_ACTIONS,
      ageHalfLifeMs: 7 * DAY_MS,
      rankDecay: 0.85,
      negativeShare: 0.5,
      normaliseOutput: true,
    },
    similarity: { kind: "shared-block-cosine" },
    ranking: {
      weights: { similarity: 1, popularity: 0.1, freshness: 0.05 },
      freshnessHalfLifeMs: 30 * DAY_MS,
      popularityHalfLifeMs: 7 * DAY_MS,
      actionWeights: {
        view: 1,
        click: 2,
        "add-to-cart": 4,
        favourite: 4,
        purchase: 8,
        dismiss: -1,
        return: -8,
      },
    },
  };
  const { manifest } = await encodeBundle(draft);
  const digest = await sha256Hex(new TextEncoder().encode(manifest));
  return { ...draft, id: `zero-shot-${digest.slice(0, 8)}` };
}

function weightedModalities(
  available: readonly { readonly name: string; readonly encoder: EncoderReference }[],
  options: ZeroShotOptions,
): WeightedModality[] {
  const weights = { ...WEIGHTS, ...options.weights };
  const weightOf = (name: string): number => {
    const weight = Object.hasOwn(weights, name) ? weights[name]! : Number.NaN;
    if (weight > 0 && Number.isFinite(weight)) return weight;
    throw new RangeError(`weights.${name}: expected a number above 0, got ${weight}`);
  };
  const total = available.reduce((sum, { name }) => sum + weightOf(name), 0);
  const toDims = options.dims ?? DIMS;
  return available.map(({ name, encoder: { dims } }) => {
    const modality = { name, dims, weight: Math.sqrt(weightOf(name) / total) };
    if (dims === toDims) return modality;
    return { ...modality, projection: orthogonalProjection(dims, toDims, PROJECTION_SEED) };
  });
}

/** The encoders that `npm run models` fetches by default. */
export const DEFAULT_ENCODERS = {
  text: { encoder: "all-minilm-l6-v2-int8", dims: 384 },
  image: { encoder: "efficientnet-lite0", dims: 1280 },
} as const;

/** The zero-shot bundle of the default encoders: what a service uses without `BUNDLE_DIR`. */
export function defaultBundle(): Promise<Bundle> {
  return zeroShotBundle(DEFAULT_ENCODERS);
}
