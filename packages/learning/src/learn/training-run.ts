/** One training run of a fusion model, up to its best epoch. */
import { createHash } from "node:crypto";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { choose } from "../scoring/choose.js";
import type { TowerShape } from "../training/parameters.js";
import { openCheckpoint } from "../training/checkpoint.js";
import type { BestEpoch, Checkpoint, CheckpointPlace } from "../training/checkpoint.js";
import { trainEpochs } from "../training/train.js";
import type { TrainSettings } from "../training/train.js";
import { bestEpochOf } from "../training/best-epoch.js";
import type { Prepared } from "../representation/prepare.js";
import { rankingOf, usersOf } from "../scoring/ranking.js";

/** One training run, as plain data: it may go to a thread. */
export interface TrainingRun {
  readonly prepared: Pick<Prepared, "dataset" | "counts">;
  readonly shape: TowerShape;
  readonly settings: TrainSettings;
  readonly checkpoints?: CheckpointPlace | undefined;
}

export function trainingRun(
  { dataset, counts }: Prepared,
  shape: TowerShape,
  settings: TrainSettings,
  checkpoints?: CheckpointPlace,
): TrainingRun {
  // Contents are in the shape already, as far as they are learned from.
  const prepared = { dataset: { ...dataset, features: {}, texts: {} }, counts };
  return { prepared, shape, settings, checkpoints };
}

/** Trains up to the epoch with the best validation NDCG. */
export function bestEpoch(
  { prepared, shape, settings, checkpoints }: TrainingRun,
  report: (line: string) => void,
): BestEpoch {
  const { dataset, counts } = prepared;
  // Nothing else learns from them.
  const actions = shape.interests && evaluationCaseOf(dataset, "valid").actions;
  const ranking = { decay: dataset.ordered ? 0.6 : 1, popularity: 0.02 };
  return bestEpochOf({
    name: `${dataset.name}, seed ${settings.seed}`,
    epochs: settings.epochs,
    train: (state) => trainEpochs(shape, dataset.splits.train, settings, { actions, state }),
    validNdcg: ({ vectors, state }) => {
      const ranked = rankingOf(prepared, vectors, usersOf(shape, state.parameters));
      return choose(dataset, counts, [ranking], ranked, { masked: true }).validNdcg;
    },
    detail: ({ decay }) => `decay ${decay.toFixed(3)}`,
    checkpoint: checkpointOf(checkpoints, `seed-${settings.seed}`, {
      settings,
      ...describedShape(shape),
    }),
    report,
  });
}

/** @param run what the checkpoint must agree in, beside the data */
export function checkpointOf(
  place: CheckpointPlace | undefined,
  name: string,
  run: object,
): Checkpoint | undefined {
  if (place === undefined) return undefined;
  return openCheckpoint(place.directory, name, { data: place.data, settings: run });
}

/** What a checkpoint must agree in: another encoder's content may well have the same shape. */
function describedShape({ items, dims, scorer, towers, interests, graph, content }: TowerShape) {
  const modalities = Object.entries(content).map(([name, { cols, data }]) => {
    return [name, cols, digestOf(data)];
  });
  const neighbours = graph && { share: graph.share, layers: graph.layers };
  return { items, dims, scorer, towers, interests, neighbours, modalities };
}

export function digestOf(data: Float32Array): string {
  return createHash("sha256").update(data).digest("hex");
}
