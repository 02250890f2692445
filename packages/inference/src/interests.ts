/** The interests of users, for every strategy of a bundle: the one place that makes them whole. */
import type { Bundle } from "@marquetry/model/bundle";
import { assertGoldenInterest } from "@marquetry/model/bundle/golden";
import { fusedDims } from "@marquetry/model/fusion";
import type { PooledInteraction, SequenceInterest } from "@marquetry/model/interests";
import { poolMultiInterest, multiInterestAround } from "@marquetry/model/interests/multi-interest";
import { lessNegatives, sequenceOf } from "@marquetry/model/interests/sequence-interest";
import { MarquetryError } from "@marquetry/runtime/errors";
import { openSequenceModel } from "./sequence/sequence-model.js";
import type { SequenceModel } from "./sequence/sequence-model.js";

type History = readonly PooledInteraction[];

export interface Interests {
  /**
   * The interests of each user: none without a positive interaction or where all cancels, several
   * where the bundle has multi-interest and the history is about several kinds of product. A sequence
   * model reads the positive interactions, and what was disliked is subtracted from its output.
   *
   * Rejects as `poolMultiInterest` throws, and as `SequenceModel.run` does; no other strategy stands
   * in for a sequence model that fails. Concurrent calls share its runs.
   */
  of(histories: readonly History[]): Promise<Float32Array[][]>;
  /** Ends the sequence model's thread. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a sequence model's thread and computes its golden histories again; other strategies need
 * nothing.
 * @param threads ONNX Runtime threads of a sequence model. Default: 1.
 * @throws MarquetryError `corrupt` or `invalid` where the graph is none or does not fit the bundle, or
 *   gives another interest than the trainer had
 */
export async function openInterests(bundle: Bundle, threads = 1): Promise<Interests> {
  const { interests, fusion } = bundle;
  if (interests.strategy !== "sequence") {
    return {
      of: async (histories) => histories.map((history) => poolMultiInterest(interests, history)),
      close: async () => {},
    };
  }
  const { graph, historyMax } = interests;
  const model = await openSequenceModel({ graph, historyMax, dims: fusedDims(fusion), threads });
  try {
    await assertGolden(bundle, interests, model);
  } catch (cause) {
    await model.close();
    throw cause;
  }
  return {
    async of(histories) {
      const pooled = await poolBySequence(interests, model, histories);
      return pooled.map((interest, i) =>
        interest === undefined ? [] : multiInterestAround(interests, interest, histories[i]!),
      );
    },
    close: () => model.close(),
  };
}

/** As `pool`, which cannot run a graph. */
async function poolBySequence(
  interests: SequenceInterest,
  model: SequenceModel,
  histories: readonly History[],
): Promise<(Float32Array | undefined)[]> {
  const sequences = histories.map((history) => sequenceOf(interests, history));
  const outputs = await model.run(sequences.filter(({ length }) => length > 0));
  let next = 0;
  return sequences.map(({ length }, i) => {
    if (length === 0) return undefined;
    const output = outputs[next]!;
    next += 1;
    return lessNegatives(interests, histories[i]!, output);
  });
}

async function assertGolden(
  { id, golden }: Bundle,
  interests: SequenceInterest,
  model: SequenceModel,
): Promise<void> {
  const histories = golden?.histories ?? [];
  try {
    const computed = await poolBySequence(
      interests,
      model,
      histories.map(({ interactions }) => interactions),
    );
    for (const [i, history] of histories.entries()) assertGoldenInterest(history, computed[i]);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new MarquetryError("invalid", `bundle ${id}: ${cause.message}`, { cause });
  }
}
