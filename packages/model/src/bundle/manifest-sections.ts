/**
 * The sections of a bundle's manifest: of each the names, types and values that it may have. Whether
 * shapes and sections fit together is checked where they are all read (`codec.ts`).
 */
import type { EncoderReference, TrainingRecord } from "./bundle.js";
import type { RankingModel } from "../ranking/ranking.js";
import type {
  AttentionScorer,
  FusionModality,
  FusionModel,
  ModalityWhitening,
} from "../fusion/fusion.js";
import type { GoldenHistory, GoldenProduct, GoldenVectors } from "./golden.js";
import type { ActionEffect, InterestModel, MultiInterest } from "../interests/interests.js";
import {
  allowOnly,
  booleanOf,
  choiceOf,
  hasField,
  listOf,
  numberOf,
  objectOf,
  optional,
  pathOf,
  positiveOf,
  recordOf,
  shareOf,
  textOf,
} from "./manifest-fields.js";
import type { Fields } from "./manifest-fields.js";
import { readList, readMatrix, readVector } from "./manifest-tensors.js";
import type { TensorSource } from "./manifest-tensors.js";
import type { Matrix } from "../vectors/matrix.js";
import { idsFromBytes } from "../ranking/neighbours.js";
import type { ProductNeighbours } from "../ranking/neighbours.js";
import type { RerankerModel } from "../ranking/reranker.js";
import type { LinearLayer, ModalityScore, SimilarityModel } from "../similarity/similarity.js";

const NAME = /^[a-z0-9][a-z0-9.-]*$/;
const GOLDEN_NAME = /^.{1,300}$/;
export const SHA256 = /^[0-9a-f]{64}$/;
export const INTEREST_STRATEGIES = ["mean", "attention", "sequence"] as const;

export function readEncoder(record: Fields, modality: string): EncoderReference {
  const fields = objectOf(record, modality, ["encoder", "dims"]);
  return { encoder: textOf(fields, "encoder", NAME), dims: positiveOf(fields, "dims") };
}

export function readFusion(fields: Fields, source: TensorSource): FusionModel {
  const strategy = choiceOf(fields, "strategy", [
    "concatenation",
    "weighted-sum",
    "attention",
    "self-attention",
  ]);
  const shared = ["strategy", "modalities", "normaliseOutput"];
  const normaliseOutput = booleanOf(fields, "normaliseOutput");
  const modality = (item: Fields, own: readonly string[]): FusionModality => {
    allowOnly(item, ["name", "dims", "whitening", "projection", ...own]);
    return {
      name: textOf(item, "name", NAME),
      dims: positiveOf(item, "dims"),
      ...optional(item, "whitening", (f, name) => readWhitening(objectOf(f, name), source)),
      ...optional(item, "projection", (f, name) => readMatrix(f, name, source)),
    };
  };
  const modalities = listOf(fields, "modalities");
  if (strategy === "attention") {
    allowOnly(fields, [...shared, "query", "scorer"]);
    return {
      strategy,
      modalities: modalities.map((item) =>
        Object.assign(modality(item, ["bias"]), optional(item, "bias", numberOf)),
      ),
      query: readVector(fields, "query", source),
      scorer: readScorer(objectOf(fields, "scorer"), source),
      normaliseOutput,
    };
  }
  if (strategy === "self-attention") {
    allowOnly(fields, [...shared, "queryFrom", "query", "key", "value"]);
    return {
      strategy,
      modalities: modalities.map((item) => modality(item, [])),
      queryFrom: choiceOf(fields, "queryFrom", ["sum", "concatenation"]),
      query: readMatrix(fields, "query", source),
      key: readMatrix(fields, "key", source),
      value: readMatrix(fields, "value", source),
      normaliseOutput,
    };
  }
  allowOnly(fields, shared);
  return {
    strategy,
    modalities: modalities.map((item) =>
      Object.assign(modality(item, ["weight"]), { weight: positiveOf(item, "weight") }),
    ),
    normaliseOutput,
  };
}

function readWhitening(fields: Fields, source: TensorSource): ModalityWhitening {
  allowOnly(fields, ["centre", "weight"]);
  return {
    centre: readVector(fields, "centre", source),
    weight: readMatrix(fields, "weight", source),
  };
}

function readScorer(fields: Fields, source: TensorSource): AttentionScorer {
  const kind = choiceOf(fields, "kind", ["linear", "bilinear", "tanh"]);
  const weight = readMatrix(fields, "weight", source);
  if (kind !== "bilinear") {
    allowOnly(fields, ["kind", "weight"]);
    return { kind, weight };
  }
  allowOnly(fields, ["kind", "weight", "valueBias", "queryBias", "bias"]);
  return {
    kind,
    weight,
    valueBias: readVector(fields, "valueBias", source),
    queryBias: readVector(fields, "queryBias", source),
    bias: numberOf(fields, "bias"),
  };
}

export function readInterests(
  fields: Fields,
  source: TensorSource,
  graph: Uint8Array | undefined,
): InterestModel {
  const strategy = choiceOf(fields, "strategy", INTEREST_STRATEGIES);
  const shared = ["strategy", "actions", "negativeShare", "normaliseOutput", "several"];
  const output = {
    actions: recordOf(fields, "actions", readAction),
    negativeShare: numberOf(fields, "negativeShare"),
    normaliseOutput: booleanOf(fields, "normaliseOutput"),
    ...(hasField(fields, "several") && { multiInterest: readMultiInterest(fields, "several") }),
  };
  if (strategy === "mean") {
    allowOnly(fields, shared);
    return { strategy, ...output };
  }
  if (strategy === "sequence") {
    allowOnly(fields, [...shared, "graph", "historyMax", "rankDecay"]);
    return {
      strategy,
      ...output,
      // `checkGraph` has seen to it.
      graph: graph!,
      historyMax: numberOf(fields, "historyMax"),
      rankDecay: positiveOf(fields, "rankDecay"),
    };
  }
  const own = ["contentScoring", "query", "key", "value", "ageHalfLifeMs", "rankDecay"];
  allowOnly(fields, [...shared, ...own]);
  const matrixOf = (f: Fields, name: string): Matrix => readMatrix(f, name, source);
  return {
    strategy,
    ...output,
    contentScoring: booleanOf(fields, "contentScoring"),
    ...optional(fields, "query", matrixOf),
    ...optional(fields, "key", matrixOf),
    ...optional(fields, "value", matrixOf),
    ...optional(fields, "ageHalfLifeMs", positiveOf),
    ...optional(fields, "rankDecay", positiveOf),
  };
}

function readMultiInterest(interests: Fields, name: string): MultiInterest {
  const fields = objectOf(interests, name, ["max", "cosine", "share", "rounds"]);
  return {
    max: numberOf(fields, "max"),
    cosine: numberOf(fields, "cosine"),
    share: numberOf(fields, "share"),
    rounds: numberOf(fields, "rounds"),
  };
}

function readAction(record: Fields, action: string): ActionEffect {
  const fields = objectOf(record, action, ["bias", "sign"]);
  return { bias: numberOf(fields, "bias"), sign: choiceOf(fields, "sign", [1, -1]) };
}

export function readSimilarity(fields: Fields, source: TensorSource): SimilarityModel {
  const kind = choiceOf(fields, "kind", [
    "dot",
    "cosine",
    "shared-block-cosine",
    "two-tower",
    "modality-adaptive",
  ]);
  if (kind === "two-tower") {
    allowOnly(fields, ["kind", "user", "item", "normaliseOutput"]);
    const layerOf = (f: Fields, name: string): LinearLayer => readLayer(f, name, source);
    return {
      kind,
      ...optional(fields, "user", layerOf),
      ...optional(fields, "item", layerOf),
      normaliseOutput: booleanOf(fields, "normaliseOutput"),
    };
  }
  if (kind === "modality-adaptive") {
    allowOnly(fields, ["kind", "modalities"]);
    const scoreOf = (f: Fields, name: string): ModalityScore => readScore(f, name, source);
    return { kind, modalities: recordOf(fields, "modalities", scoreOf) };
  }
  allowOnly(fields, ["kind"]);
  return { kind };
}

function readLayer(record: Fields, side: string, source: TensorSource): LinearLayer {
  const fields = objectOf(record, side, ["weight", "bias"]);
  return {
    weight: readMatrix(fields, "weight", source),
    ...optional(fields, "bias", (f, name) => readVector(f, name, source)),
  };
}

function readScore(record: Fields, modality: string, source: TensorSource): ModalityScore {
  const fields = objectOf(record, modality, ["bias", "user", "item"]);
  const vectorOf = (f: Fields, name: string): Float32Array => readVector(f, name, source);
  return {
    bias: numberOf(fields, "bias"),
    ...optional(fields, "user", vectorOf),
    ...optional(fields, "item", vectorOf),
  };
}

export function readRanking(fields: Fields): RankingModel {
  const own = ["freshnessHalfLifeMs", "popularityHalfLifeMs", "actionWeights", "popularityFloor"];
  allowOnly(fields, ["weights", ...own]);
  const weights = objectOf(fields, "weights", ["similarity", "popularity", "freshness"]);
  return {
    weights: {
      similarity: numberOf(weights, "similarity"),
      popularity: numberOf(weights, "popularity"),
      freshness: numberOf(weights, "freshness"),
    },
    freshnessHalfLifeMs: positiveOf(fields, "freshnessHalfLifeMs"),
    popularityHalfLifeMs: positiveOf(fields, "popularityHalfLifeMs"),
    actionWeights: recordOf(fields, "actionWeights", numberOf),
    ...optional(fields, "popularityFloor", shareOf),
  };
}

export function readReranker(fields: Fields): RerankerModel {
  allowOnly(fields, ["candidates", "historyMax", "features"]);
  return {
    candidates: numberOf(fields, "candidates"),
    historyMax: numberOf(fields, "historyMax"),
    features: recordOf(fields, "features", numberOf),
  };
}

export function readNeighbours(fields: Fields, source: TensorSource): ProductNeighbours {
  allowOnly(fields, ["ids", "starts", "products", "weights"]);
  return {
    ids: idsFromBytes(readList(fields, "ids", "U8", source), pathOf(fields, "ids")),
    starts: readList(fields, "starts", "I32", source),
    products: readList(fields, "products", "I32", source),
    weights: readVector(fields, "weights", source),
  };
}

export function readGolden(fields: Fields, source: TensorSource): GoldenVectors {
  allowOnly(fields, ["products", "histories"]);
  return {
    products: listOf(fields, "products").map((item): GoldenProduct => {
      allowOnly(item, ["name", "vectors", "fused"]);
      return {
        name: textOf(item, "name", GOLDEN_NAME),
        vectors: recordOf(item, "vectors", (f, modality) => readVector(f, modality, source)),
        fused: readVector(item, "fused", source),
      };
    }),
    histories: listOf(fields, "histories").map((item): GoldenHistory => {
      allowOnly(item, ["name", "behaviours", "interest"]);
      return {
        name: textOf(item, "name", GOLDEN_NAME),
        interactions: listOf(item, "behaviours").map((interaction) => {
          allowOnly(interaction, ["vector", "action", "occurredAtMs"]);
          return {
            vector: readVector(interaction, "vector", source),
            action: textOf(interaction, "action", NAME),
            occurredAtMs: numberOf(interaction, "occurredAtMs"),
          };
        }),
        interest: readVector(item, "interest", source),
      };
    }),
  };
}

export function readTraining(fields: Fields): TrainingRecord {
  allowOnly(fields, ["interactionsSha256", "metrics"]);
  return {
    interactionsSha256: textOf(fields, "interactionsSha256", SHA256),
    metrics: recordOf(fields, "metrics", (record, name) => {
      const both = objectOf(record, name, ["bundle", "popularity"]);
      return { bundle: numberOf(both, "bundle"), popularity: numberOf(both, "popularity") };
    }),
  };
}
