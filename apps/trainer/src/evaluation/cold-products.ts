/** Cold products: how well products are found that nobody had when the model was trained. */
import { mulberry32 } from "@marquetry/model/random";
import { countItems } from "../dataset/dataset.js";
import type { Prepared } from "../recipe/prepare.js";

/** The data as if some products were new. */
export interface ColdProducts {
  /**
   * The training part and every history without the cold products; targets are whole. A user whose
   * validation product is cold has no validation target in his test history.
   */
  readonly prepared: Prepared;
  /** By product, 1 where it is cold. */
  readonly cold: Uint8Array;
}

/**
 * Takes products out of all that is known before the question: from training and from histories, not
 * from the targets.
 * @param share of all products, in (0, 1)
 */
export function withColdProducts(prepared: Prepared, share: number, seed: number): ColdProducts {
  const { dataset } = prepared;
  const items = dataset.itemIds.length;
  const uniform = mulberry32(seed);
  const draws = Float64Array.from({ length: items }, () => uniform());
  const order = Array.from(draws.keys()).toSorted((a, b) => draws[a]! - draws[b]!);
  const cold = new Uint8Array(items);
  for (const item of order.slice(0, Math.round(share * items))) cold[item] = 1;
  const train = dataset.splits.train.map((list) => list.filter((item) => cold[item] === 0));
  const counts = countItems(train, items);
  return {
    prepared: {
      ...prepared,
      dataset: { ...dataset, splits: { ...dataset.splits, train } },
      counts,
    },
    cold,
  };
}
