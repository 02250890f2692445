import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import type { MediaEvent } from "./media/media-reader.js";
import { causeName } from "./retries.js";
import { describeError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";

/** What an operator sees of the encoder: one function for each business event. */
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
  const circuitsOpened = metrics.counter(
    "media_circuits_opened_total",
    "Times that the circuit of a host of media opened because it failed too often",
    [],
  );
  const lookUps = metrics.counter("cache_lookups_total", "Embeddings looked for in the cache", [
    "modality",
    "outcome",
  ]);
  const cacheFailures = metrics.counter(
    "cache_failures_total",
    "Calls that found the embedding cache unavailable",
  );
  const planned = metrics.counter("retries_planned_total", "Changes to be tried again later");
  const healed = metrics.counter(
    "products_healed_total",
    "Changes of which a retry ended with nothing failed",
  );
  const pauses = metrics.counter(
    "consumer_pauses_total",
    "Times that the consumers were paused for the encoders",
  );
  return {
    productEncoded({ productId, state }: ProductEmbedded): void {
      if (state.case !== "embedded") return;
      const { embeddings, absent, failed } = state.value;
      for (const { modality } of embeddings) modalities.inc({ modality, outcome: "encoded" });
      for (const modality of absent) modalities.inc({ modality, outcome: "absent" });
      for (const { modality, cause, detail } of failed) {
        const outcome = causeName(cause);
        modalities.inc({ modality, outcome });
        logger.warn({ productId, modality, cause: outcome, detail }, "modality failed");
      }
    },
    mediaHappened(event: MediaEvent): void {
      if (event.kind === "media-read") {
        media.inc({ outcome: event.outcome });
      } else if (event.kind === "circuit-opened") {
        circuitsOpened.inc({});
        logger.warn({ host: event.host }, "host of media keeps failing: its circuit is open");
      } else {
        logger.info({ host: event.host }, "host of media answers again: its circuit is closed");
      }
    },
    cacheLookedUp(modality: string, keys: number, found: number): void {
      lookUps.inc({ modality, outcome: "hit" }, found);
      lookUps.inc({ modality, outcome: "miss" }, keys - found);
    },
    /** It shows in `/readyz` too; a line per batch would say no more. */
    cacheUnavailable(error: unknown): void {
      cacheFailures.inc({});
      logger.debug({ error: describeError(error) }, "the embedding cache is unavailable");
    },
    retriesPlanned(count: number): void {
      planned.inc({}, count);
    },
    productHealed(): void {
      healed.inc({});
    },
    consumersPaused(): void {
      pauses.inc({});
    },
    contentsEncoded(modality: string, count: number): void {
      encoded.inc({ modality }, count);
    },
  };
}
