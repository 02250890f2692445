import type { AvailabilityName } from "@marquetry/contracts/availability";
import type { JoinState } from "./join-state.js";

/**
 * What is kept with a product. Every field is indexed for filtering or ordering, `title`, `encoders`,
 * `outcomes` and `removedRevision` apart.
 */
export interface PointPayload extends JoinState {
  readonly productId: string;
  /** As of the product change; at most 2^53 - 1. */
  readonly revision: number;
  readonly removed: boolean;
  readonly title: string;
  /** Every level of every category path: "Women", "Women/Bottoms", "Women/Bottoms/Pants". */
  readonly categories: readonly string[];
  readonly brand: string;
  /** Absent where the product has none: a price filter then never passes. */
  readonly price?: number;
  readonly currency: string;
  readonly availability: AvailabilityName;
  /** Milliseconds since the epoch. */
  readonly availableFromMs: number;
  readonly groupId: string;
  /** Modalities present in the fused vector, sorted. */
  readonly modalities: readonly string[];
}

/**
 * The part of a payload that `query` and `scan` bring: no more than products are ordered and shown
 * by. They bring hundreds of points for each answer, and reading the rest would be most of its cost.
 */
export type FoundPayload = Pick<
  PointPayload,
  "productId" | "title" | "groupId" | "modalities" | "availableFromMs"
>;
