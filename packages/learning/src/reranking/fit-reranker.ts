/** Fits a re-ranker to a base ranking, and measures whether it is better. */
import { featureNames, FUSED_SPACE } from "@marquetry/model/ranking/reranker";
import type { RerankerModel } from "@marquetry/model/ranking/reranker";
import { metricsOf, mainCutoff } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { evaluationCaseOf } from "../dataset/dataset.js";
import type { Dataset, EvaluationCase } from "../dataset/dataset.js";
import { fitListwise } from "./listwise.js";
import { evaluatedLists, rerankedScorer } from "./reranked.js";
import type { EvaluatedList, BaseRanking } from "./reranked.js";

export interface FittedReranker {
  readonly model: RerankerModel;
  /** Metrics with each half of the users re-ranked by weights of the other half. */
  readonly validation: RerankerValidation;
}

interface RerankerValidation {
  readonly recall: number;
  readonly ndcg: number;
  /** Of the base ranking. */
  readonly baseNdcg: number;
}

const CANDIDATES = 200;
const HISTORY_MAX = 30;
const L2 = 1e-4;
const FOLDS = 2;

/**
 * Features that improved the validation NDCG on Amazon Scientific, in two folds (record 13):
 * neighbours and the product's count in the history added .0028. The space of the collaborative
 * modality changed it by .0001 and is not among them.
 */
function fittedFeatures(content: readonly string[]): string[] {
  return featureNames([FUSED_SPACE, ...content]).filter(
    (name) => name.startsWith(`${FUSED_SPACE}:`) || !name.endsWith(":second"),
  );
}

/**
 * Weights fitted to the validation targets, histories being the training part.
 * @param content names of the content modalities
 * @returns undefined where it does not improve the validation NDCG of users it was not fitted to
 */
export function fitReranker(
  base: BaseRanking,
  dataset: Dataset,
  counts: Float64Array,
  content: readonly string[],
): FittedReranker | undefined {
  const evaluationCase = evaluationCaseOf(dataset, "valid");
  const names = fittedFeatures(content);
  const limits = { candidates: CANDIDATES, historyMax: HISTORY_MAX };
  const lists = evaluatedLists(base, evaluationCase, names, limits);
  if (lists.length < FOLDS * (names.length + 1)) return undefined;
  const modelOf = (some: readonly EvaluatedList[]): RerankerModel | undefined => {
    const features = onBaseScale(fitListwise(some, names.length + 1, L2), names, base);
    return features && { ...limits, features };
  };
  const model = modelOf(lists);
  const folds = Array.from({ length: FOLDS }, (_, fold) => ({
    model: modelOf(lists.filter(({ user }) => user % FOLDS !== fold)),
    evaluationCase: foldOf(evaluationCase, fold),
  }));
  const metrics = (part: EvaluationCase, scorerFor: ScorerFor) =>
    metricsOf(dataset, counts, part, scorerFor, { masked: false }).find(
      ({ k }) => k === mainCutoff(dataset),
    )!;
  const evaluated = folds.map(({ model: other, evaluationCase: part }) => ({
    users: part.targets.filter((targets) => targets.length > 0).length,
    at: metrics(part, other === undefined ? base.scorerFor : rerankedScorer(base, other)),
  }));
  const all = evaluated.reduce((sum, { users }) => sum + users, 0);
  const mean = (of: "recall" | "ndcg"): number =>
    evaluated.reduce((sum, { users, at }) => sum + users * at[of].value, 0) / all;
  const validation = {
    recall: mean("recall"),
    ndcg: mean("ndcg"),
    baseNdcg: metrics(evaluationCase, base.scorerFor).ndcg.value,
  };
  return model !== undefined && validation.ndcg > validation.baseNdcg
    ? { model, validation }
    : undefined;
}

function foldOf(evaluationCase: EvaluationCase, fold: number): EvaluationCase {
  const targets = evaluationCase.targets.map((each, user) =>
    user % FOLDS === fold && evaluationCase.histories[user]!.length > 0 ? each : new Int32Array(),
  );
  return { ...evaluationCase, targets };
}

/**
 * Scales the fitted score so that similarity has its weight of the base score, and subtracts the base
 * score: the difference is the re-ranker's part. Undefined where similarity has no weight above 0.
 * @param fitted of the similarity, then of `names`
 */
function onBaseScale(
  fitted: Float64Array,
  names: readonly string[],
  { weights }: BaseRanking,
): Record<string, number> | undefined {
  if (!(fitted[0]! > 0 && weights.similarity > 0)) return undefined;
  const scale = weights.similarity / fitted[0]!;
  return Object.fromEntries(
    names.map((name, j) => {
      const weight = fitted[j + 1]! * scale;
      return [name, name === "popularity" ? weight - weights.popularity : weight];
    }),
  );
}
