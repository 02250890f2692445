/** Embedded products in, points of the product index out. */
import type { ProductIndex } from "@marquetry/backends/product-index";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import type { Bundle } from "@marquetry/model/bundle";
import { stateOfEvent } from "./event-to-state.js";
import type { FusionEvents } from "./events.js";
import { join } from "./product-state.js";
import type { ProductState } from "./product-state.js";
import { writeProducts } from "./write-products.js";

/** Why an event cannot be used, by its place in the batch. */
export interface Unusable {
  readonly index: number;
  readonly cause: string;
}

export type FuseProducts = (events: readonly ProductEmbedded[]) => Promise<Unusable[]>;

/**
 * Brings a batch of events into the index: of each product everything that is known (`ProductState`),
 * joined with what is stored. Duplicates, reordering, replays and events that speak for some
 * modalities only end in the same index. A removed product stays as a tombstone.
 */
export function createFuseProducts(deps: {
  readonly bundle: Bundle;
  readonly index: ProductIndex;
  readonly events: FusionEvents;
}): FuseProducts {
  const { bundle, index, events } = deps;
  const modalities = Object.keys(bundle.encoders);
  return async (batch) => {
    const unusable: Unusable[] = [];
    const states = new Map<string, ProductState>();
    batch.forEach((event, at) => {
      const state = stateOfEvent(event, bundle);
      if ("cause" in state) {
        unusable.push({ index: at, cause: state.cause });
        return;
      }
      const before = states.get(event.productId);
      states.set(event.productId, before === undefined ? state : join(before, state, modalities));
    });
    const written = await writeProducts(states, { bundle, index });
    // Counted once all is written: an attempt that fails comes again.
    for (const { index: at, cause } of unusable)
      events.productUnusable(batch[at]?.productId ?? "", cause);
    const points = [...written.values()];
    const removed = points.filter(({ payload }) => payload.removed).length;
    events.productsWritten(points.length - removed);
    events.productsRemoved(removed);
    events.productsSuperseded(batch.length - unusable.length - points.length);
    return unusable;
  };
}
