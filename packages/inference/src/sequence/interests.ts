/** Interests of whole batches of users, whatever the bundle's strategy. */
import type { Bundle } from "@marquetry/model/bundle";
import { fusedDims } from "@marquetry/model/fusion";
import { assertGoldenInterest } from "@marquetry/model/bundle/golden";
import { pool } from "@marquetry/model/interests";
import type { PooledInteraction, SequenceInterest } from "@marquetry/model/interests";
import { lessNegatives, sequenceOf } from "@marquetry/model/interests/sequence-interest";
import { MarquetryError } from "@marquetry/runtime/errors";
import { openSequenceModel } from "./sequence-model.js";
import type { SequenceModel } from "./sequence-model.js";

export interface Interests {
  /**
   * One interest per user, as `pool` in packages/model: undefined where there is no positive behaviour or all
   * cancels. A sequence model is given only the positive behaviours, and what was disliked is taken
   * off its answer. Rejects as `pool` throws, and as `SequenceModel.run` does; there is no falling
   * back to another strategy.
   */
  of(users: readonly (readonly PooledInteraction[])[]): Promise<(Float32Array | undefined)[]>;
  /** Ends the sequence model's thread. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts what the bundle's strategy needs, which is nothing but for a sequence model; that one's golden
 * histories are computed again.
 * @param threads ONNX Runtime threads of a sequence model; 1 unless given
 * @throws MarquetryError `corrupt` or `invalid` where the graph is none or does not fit the bundle, or
 *   gives another interest than the trainer had
 */
export async function openInterests(bundle: Bundle, threads = 1): Promise<Interests> {
  const { interests, fusion, golden } = bundle;
  if (interests.strategy !== "sequence") {
    return {
      of: async (users) => users.map((behaviours) => pool(interests, behaviours)),
      close: async () => {},
    };
  }
  const { graph, historyMax } = interests;
  const model = await openSequenceModel({ graph, historyMax, dims: fusedDims(fusion), threads });
  const opened = sequenceInterests(interests, model);
  try {
    const histories = golden?.histories ?? [];
    const computed = await opened.of(histories.map(({ behaviours }) => behaviours));
    for (const [i, history] of histories.entries()) assertGoldenInterest(history, computed[i]);
  } catch (cause) {
    await model.close();
    if (!(cause instanceof RangeError)) throw cause;
    throw new MarquetryError("invalid", `bundle ${bundle.id}: ${cause.message}`, { cause });
  }
  return opened;
}

function sequenceInterests(interests: SequenceInterest, model: SequenceModel): Interests {
  return {
    async of(users) {
      const sequences = users.map((behaviours) => sequenceOf(interests, behaviours));
      const asked = sequences.flatMap((sequence, i) => (sequence.length > 0 ? [i] : []));
      const answers = await model.run(asked.map((i) => sequences[i]!));
      const result: (Float32Array | undefined)[] = users.map(() => undefined);
      for (const [place, i] of asked.entries()) {
        result[i] = lessNegatives(interests, users[i]!, answers[place]!);
      }
      return result;
    },
    close: () => model.close(),
  };
}
