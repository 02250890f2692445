import type { PointPayload } from "@marquetry/backends/product-index/payload";

/** A product as the index has it; nothing of it but its id matters to profiles. */
export function productPayload(productId: string): PointPayload {
  return {
    productId,
    revision: 1,
    removed: false,
    title: "",
    categories: [],
    brand: "",
    currency: "",
    availability: "in-stock",
    availableFromMs: Date.UTC(2026, 2, 1),
    groupId: productId,
    modalities: ["text"],
    encoders: {},
  };
}
