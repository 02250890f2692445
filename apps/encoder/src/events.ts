/** What an operator sees of the encoder: one function for each business event. */
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { describeError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { MediaEvent } from "./media/media-reader.js";
import { causeName } from "./retries.js";

type Observed = Pick<ServiceContext, "logger" | "metrics">;

export type EncoderEvents = ReturnType<typeof createEncoderEvents>;

export function createEncoderEvents(observed: Observed) {
  return {
    ...productEvents(observed),
    ...mediaEvents(observed),
    ...encodingEvents(observed),
  };
}

function productEvents({ logger, metrics }: Observed) {
  const modalities = metrics.counter(
    "modalities_total",
    "Modalities of products by how they ended",
    ["modality", "outcome"],
  );
  const planned = metrics.counter("retries_planned_total", "Changes to be tried again later");
  const healed = metrics.counter(
    "products_healed_total",
    "Changes of which a retry ended with nothing failed",
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
    retriesPlanned(count: number): void {
      planned.inc({}, count);
    },
    productHealed(): void {
      healed.inc({});
    },
  };
}

function mediaEvents({ logger, metrics }: Observed) {
  const media = metrics.counter("media_read_total", "Media by how their reading ended", [
    "outcome",
  ]);
  const circuitsOpened = metrics.counter(
    "media_circuits_opened_total",
    "Times that the circuit of a host of media opened because it failed too often",
  );
  return {
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
  };
}

function encodingEvents({ logger, metrics }: Observed) {
  const encoded = metrics.counter("contents_encoded_total", "Contents handed to an encoder", [
    "modality",
  ]);
  const lookUps = metrics.counter("cache_lookups_total", "Embeddings looked for in the cache", [
    "modality",
    "outcome",
  ]);
  const cacheFailures = metrics.counter(
    "cache_failures_total",
    "Calls that found the embedding cache unavailable",
  );
  const pauses = metrics.counter(
    "consumer_pauses_total",
    "Times that the consumers were paused for the encoders",
  );
  return {
    contentsEncoded(modality: string, count: number): void {
      encoded.inc({ modality }, count);
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
    consumersPaused(): void {
      pauses.inc({});
    },
  };
}
