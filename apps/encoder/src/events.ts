import { FailureCause } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import type { MediaEvent } from "./media/media-reader.js";
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
  const media = metrics.counter("media_read_total", "Media by how their reading ended", [
    "outcome",
  ]);
  const leftAlone = metrics.counter(
    "media_hosts_left_alone_total",
    "Times that a host of media was left alone for failing too often",
    [],
  );
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
    mediaHappened(event: MediaEvent): void {
      if (event.kind === "media-read") {
        media.inc({ outcome: event.outcome });
      } else if (event.kind === "host-left-alone") {
        leftAlone.inc({});
        logger.warn({ host: event.host }, "host of media keeps failing and is left alone");
      } else {
        logger.info({ host: event.host }, "host of media answers again");
      }
    },
    contentsEncoded(modality: string, count: number): void {
      encoded.inc({ modality }, count);
    },
  };
}
