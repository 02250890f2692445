/** The policy of learning: which vectors, which interests on them, and when they are re-ranked. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Prepared } from "../representation/prepare.js";
import { HISTORY_POLICIES, historyPoliciesOf } from "../scoring/history-policies.js";
import { chooseRanking } from "./choose-ranking.js";
import { usersOf } from "../scoring/ranking.js";
import type { LearnedUsers } from "../scoring/ranking.js";
import { attentionInterests } from "./served-interests.js";
import { fitReranking } from "./fit-reranking.js";
import type { FittedRanking } from "./fit-reranking.js";
import { learnFusion } from "./learn-fusion.js";
import type { LearnedFusion } from "./learn-fusion.js";
import { learnIdentityInterests, learnSequenceInterests } from "./learn-interests.js";
import type { LearnedInterests } from "./learn-interests.js";
import type { LearnOptions } from "./learn-options.js";
import { learnVectors } from "./learn-vectors.js";

export const FUSION_KINDS = ["combined", "attention"] as const;
export const SCORER_KINDS = ["linear", "bilinear", "tanh"] as const;
export const INTEREST_KINDS = ["recency", "attention", "item-identity", "sequence"] as const;

export interface ModelSettings {
  /** `combined`: several models and closed forms, joined; `attention`: one model. */
  readonly fusion: (typeof FUSION_KINDS)[number];
  /** Of the attention. */
  readonly scorer: (typeof SCORER_KINDS)[number];
  /** `attention` needs the fusion of that name; `item-identity` and `sequence` need `combined`. */
  readonly interests: (typeof INTEREST_KINDS)[number];
  /** Of the attention: whether users and products go through a tower each. */
  readonly towers: boolean;
  /** Of the attention: weight of the alignment loss. */
  readonly alignment: number;
}

export interface LearnedModel extends Omit<LearnedInterests, "pooling"> {
  /** By recency where absent. */
  readonly pooling?: LearnedInterests["pooling"];
  /** The one model that services use as it was trained; distilled vectors where absent. */
  readonly fusion?: LearnedFusion;
  /** Pooled interests alone have one, where it improves the validation part. */
  readonly reranking?: FittedRanking;
}

/** tau of the alignment loss, as of the other one. */
const ALIGNMENT_TEMPERATURE = 0.15;

/**
 * Vectors, the ranking by them, how histories are pooled, and a re-ranker, all chosen on the
 * validation part.
 * @throws MarquetryError `invalid` where the interests need data in order of time; as `learnVectors`
 */
export async function learnModel(
  prepared: Prepared,
  settings: ModelSettings,
  options: LearnOptions,
): Promise<LearnedModel> {
  const { fusion, interests } = settings;
  if (interests === "item-identity" || interests === "sequence") {
    if (!prepared.dataset.ordered) {
      const message = `interests ${interests}: expected data in order of time`;
      throw new MarquetryError("invalid", message);
    }
    const vectors = await learnVectors(prepared, options);
    return interests === "sequence"
      ? learnSequenceInterests(prepared, vectors, options)
      : learnIdentityInterests(prepared, vectors);
  }
  if (fusion === "combined") return pooled(prepared, await learnVectors(prepared, options), {});
  const learned = learnAttention(prepared, settings, options);
  const users = usersOf(learned.shape, learned.parameters);
  return { ...pooled(prepared, learned.vectors, users), fusion: learned };
}

function learnAttention(
  prepared: Prepared,
  { scorer, towers, interests, alignment }: ModelSettings,
  options: LearnOptions,
): LearnedFusion {
  return learnFusion(prepared, {
    ...options,
    weights: "attention",
    scorer,
    towers,
    interests: interests === "attention",
    alignment: { weight: alignment, temperature: ALIGNMENT_TEMPERATURE },
  });
}

/** Interests by recency, and by learned weights where there are some. */
function pooled(prepared: Prepared, vectors: Matrix, users: LearnedUsers): LearnedModel {
  const reranking = fitReranking(prepared, vectors, users);
  const policy = HISTORY_POLICIES[historyPoliciesOf(prepared.dataset)[0]!];
  const ranking = reranking?.ranking ?? chooseRanking(prepared, vectors, policy, undefined, users);
  const { interests } = users;
  const pooling = interests && attentionInterests(vectors, ranking.decay, interests);
  return { vectors, ranking, ...(pooling && { pooling }), ...(reranking && { reranking }) };
}
