/** Interests with item-identity codes, by which products that somebody just had are suppressed. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { Prepared } from "../representation/prepare.js";
import { choose } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { HISTORY_POLICIES } from "../scoring/history-policies.js";
import { pooledScorer, popularityPrior } from "../scoring/pooled.js";
import { identityGain, withIdentity } from "../sequence/identity.js";
import type { IdentityCode } from "../sequence/identity.js";

/** A quarter of the dimensions and half of the squared length for the code. */
const CODE = { share: 1 / 4, length: 0.5 } as const;
/** Strengths of repeat suppression that are tried. */
export const SUPPRESSIONS = [0.7, 1, 1.3, 1.6, 2, 2.6];
const DECAY = 0.6;
/** The weight of popularity while everything else is chosen. */
export const FIXED_POPULARITY = 0.02;

export interface IdentityInterests {
  /** One row of length 1 per product, with its code. */
  readonly vectors: Matrix;
  readonly identity: IdentityCode;
  readonly decay: number;
}

/**
 * Recency pooling of vectors with a code, reversed by what is best on the validation part. Chosen
 * without a mask, as published tables rank: the code is for that.
 */
export function learnIdentity(prepared: Prepared, learned: Matrix): IdentityInterests {
  const code = { dims: Math.floor(learned.cols * CODE.share), length: CODE.length };
  const vectors = withIdentity(learned, code);
  const interests = { vectors, decay: DECAY };
  const { settings: suppression } = choose(
    prepared.dataset,
    prepared.counts,
    SUPPRESSIONS,
    (each) =>
      identityRanking(
        prepared,
        { ...interests, identity: { ...code, suppression: each } },
        FIXED_POPULARITY,
      ),
    HISTORY_POLICIES.unmasked,
  );
  return { ...interests, identity: { ...code, suppression } };
}

export function identityRanking(
  { counts }: Prepared,
  { vectors, identity, decay }: IdentityInterests,
  popularity: number,
): ScorerFor {
  const gain = identityGain(vectors.cols, identity);
  const prior = popularityPrior(counts, popularity);
  return (histories) => pooledScorer({ vectors, histories, decay, prior, gain });
}
