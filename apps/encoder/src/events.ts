import { FailureCause } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";

/** What happens in the encoder that an operator wants to see: one function each. */
export type EncoderEvents = ReturnType<typeof createEncoderEvents>;

export function createEncoderEvents({
  logger,
  metrics,
}: Pick<ServiceContext, "logger" | "metrics">) {
  const modalities = metrics.counter(
    "modalities_total",
    "Modalities of products by how they ended",
    ["modality", "outcome"],
  );
  const encoded = metrics.counter("contents_encoded_total", "Contents handed to an encoder", [
    "modality",
  ]);
  return {
    productEncoded({ productId, state }: ProductEmbedded): void {
      if (state.case !== "embedded") return;
      const { embeddings, absent, failed } = state.value;
      for (const { modality } of embeddings) modalities.inc({ modality, outcome: "encoded" });
      for (const modality of absent) modalities.inc({ modality, outcome: "absent" });
      for (const { modality, cause, detail } of failed) {
        const outcome = FailureCause[cause].toLowerCase();
        modalities.inc({ modality, outcome });
        logger.warn({ productId, modality, cause: outcome, detail }, "modality failed");
      }
    },
    contentsEncoded(modality: string, count: number): void {
      encoded.inc({ modality }, count);
    },
  };
}
