/** Stage 5, diversify: one product of each group. No I/O. */
import { bestOfGroup } from "@marquetry/model/ranking/diversity";
import type { ScoredProduct } from "./score.js";

export interface DiversityOptions {
  /** Whether every variant of a group stays. */
  readonly includeVariants: boolean;
}

/** @param products best first */
export function diversify(
  products: readonly ScoredProduct[],
  { includeVariants }: DiversityOptions,
): readonly ScoredProduct[] {
  return includeVariants ? products : bestOfGroup(products, ({ groupId }) => groupId);
}
