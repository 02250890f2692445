import type { ServiceContext } from "@marquetry/runtime/lifecycle";

/** What happens in fusion that an operator wants to see: one function each. */
export type FusionEvents = ReturnType<typeof createFusionEvents>;

export function createFusionEvents({
  logger,
  metrics,
}: Pick<ServiceContext, "logger" | "metrics">) {
  const products = metrics.counter("products_total", "Product events by what became of them", [
    "outcome",
  ]);
  return {
    productsWritten(count: number): void {
      products.inc({ outcome: "written" }, count);
    },
    productsRemoved(count: number): void {
      products.inc({ outcome: "removed" }, count);
    },
    /** Their revision is not above the stored one, or a later one stands in the same batch. */
    productsSuperseded(count: number): void {
      products.inc({ outcome: "superseded" }, count);
    },
    productUnusable(productId: string, cause: string): void {
      products.inc({ outcome: "unusable" });
      logger.warn({ productId, cause }, "product cannot be fused");
    },
  };
}
