/**
 * The model bundle: everything that turns content and interactions into an order of products, as one
 * immutable, versioned whole. `codec.ts` writes it to files and reads it from them.
 */
import type { FusionModel } from "../fusion/fusion.js";
import type { InterestModel } from "../interests/interests.js";
import type { ProductNeighbours } from "../ranking/neighbours.js";
import type { RankingModel } from "../ranking/ranking.js";
import type { RerankerModel } from "../ranking/reranker.js";
import type { SimilarityModel } from "../similarity/similarity.js";
import type { GoldenVectors } from "./golden.js";

export interface Bundle {
  /** Names the bundle everywhere; matches `BUNDLE_ID`. Never reused for another content. */
  readonly id: string;
  /** Who or what made it, for people. */
  readonly createdBy: string;
  /** By modality: exactly the modalities of the fusion model. */
  readonly encoders: Readonly<Record<string, EncoderReference>>;
  readonly fusion: FusionModel;
  readonly interests: InterestModel;
  readonly similarity: SimilarityModel;
  readonly ranking: RankingModel;
  /** Puts the best products of a known user in order once more. */
  readonly reranker?: RerankerModel;
  /** What a re-ranker with a weight of "neighbours" goes by. */
  readonly neighbours?: ProductNeighbours;
  /** What the trainer computed; whoever reads the bundle computes it again. */
  readonly golden?: GoldenVectors;
  /** Of a learned bundle. */
  readonly training?: TrainingRecord;
}

/** What a bundle was learned from and how good it was, for people: nothing is computed from it. */
export interface TrainingRecord {
  /** SHA-256 of the interactions, hexadecimal. */
  readonly interactionsSha256: string;
  /** On the test part, by history policy and metric, such as `unmasked/ndcg@10`: of the bundle, and of
   * popularity alone. */
  readonly metrics: Readonly<
    Record<string, { readonly bundle: number; readonly popularity: number }>
  >;
}

/** Which encoder makes a modality's vectors, and how long these are. */
export interface EncoderReference {
  readonly encoder: string;
  readonly dims: number;
}

export const BUNDLE_ID = /^[a-z0-9][a-z0-9.-]{0,62}$/;
