/** Consumers fetch no more while enough waits for the encoders; their partitions stay theirs. */
import type { Consumer } from "@marquetry/backends/event-bus";
import type { EncoderEvents } from "./events.js";

export interface BackPressure {
  /** Tells how many groups of a modality wait for an encoder. */
  report(modality: string, waiting: number): void;
  /** Has the consumer paused and resumed. */
  govern(consumer: Pick<Consumer, "pause" | "resume">): void;
}

/** Enough for the encoders to go on with while the consumers fetch again. */
const WAITING_MAX = 4;

export function createBackPressure(events: EncoderEvents): BackPressure {
  const consumers = new Set<Pick<Consumer, "pause" | "resume">>();
  const waitingByModality = new Map<string, number>();
  let paused = false;
  return {
    report(modality, waiting) {
      waitingByModality.set(modality, waiting);
      const most = Math.max(...waitingByModality.values());
      if (!paused && most > WAITING_MAX) {
        paused = true;
        events.consumersPaused();
        for (const consumer of consumers) consumer.pause();
      } else if (paused && most === 0) {
        paused = false;
        for (const consumer of consumers) consumer.resume();
      }
    },
    govern(consumer) {
      consumers.add(consumer);
      if (paused) consumer.pause();
    },
  };
}
