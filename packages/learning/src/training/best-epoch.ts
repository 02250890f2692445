/** Training to its best epoch, with progress, from the start or from a checkpoint. */
import type { BestEpoch, Checkpoint } from "./checkpoint.js";
import type { TrainedEpoch, TrainingState } from "./epochs.js";

interface Run<Epoch extends TrainedEpoch> {
  /** How lines of progress begin. */
  readonly name: string;
  readonly epochs: number;
  /** Resumes from a state, which it changes. Default: from the start. */
  readonly train: (state: TrainingState | undefined) => Iterable<Epoch>;
  /** NDCG on the validation part. */
  readonly validNdcg: (epoch: Epoch) => number;
  /** Added to an epoch's line of progress. Default: nothing. */
  readonly detail?: (epoch: Epoch) => string;
  readonly checkpoint: Checkpoint | undefined;
  readonly report: (line: string) => void;
}

/** The epoch with the best NDCG on the validation part; the first of equals. */
export function bestEpochOf<Epoch extends TrainedEpoch>(run: Run<Epoch>): BestEpoch {
  const { name, epochs, train, validNdcg, detail, checkpoint, report } = run;
  const resumed = checkpoint?.read();
  if (resumed !== undefined) report(`${name}: goes on after epoch ${resumed.state.epoch}`);
  let best = resumed?.best;
  for (const done of train(resumed?.state)) {
    const ndcg = validNdcg(done);
    const { epoch, loss, vectors, state } = done;
    const more = detail === undefined ? "" : `, ${detail(done)}`;
    report(
      `${name}: epoch ${epoch} of ${epochs}, loss ${loss.toFixed(4)}${more}, ` +
        `validation NDCG ${ndcg.toFixed(4)}`,
    );
    if (best === undefined || ndcg > best.ndcg) {
      best = { vectors, parameters: structuredClone(state.parameters), ndcg };
    }
    checkpoint?.write({ state, best });
  }
  if (best === undefined) throw new RangeError("training: no epoch");
  return best;
}
