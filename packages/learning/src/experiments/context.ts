/** What methods and curves are made from. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { BundleFolder } from "../bundle/bundle-folder.js";
import type { LearnedFusion } from "../learn/learn-fusion.js";
import { learnVectors } from "../learn/learn-vectors.js";
import type { Prepared } from "../representation/prepare.js";
import { fusionRuns } from "./fusion-runs.js";
import type { FusionWay } from "./fusion-runs.js";

export interface ExperimentContext {
  readonly prepared: Prepared;
  readonly bundle: BundleFolder | undefined;
  /** The learned vectors, one matrix per seed; trained at the first call. None for 0 seeds. */
  readonly learned: () => Promise<readonly Matrix[]>;
  /** One fusion model alone, at most three seeds of it; trained at the first call. */
  readonly fusions: (way: FusionWay) => readonly LearnedFusion[];
  readonly seeds: number;
  readonly report: (line: string) => void;
  /** CPU seconds of each training so far. */
  readonly trainingCpuSeconds: readonly number[];
}

interface ExperimentOptions {
  /** Default: no bundle is measured. */
  readonly bundle?: BundleFolder | undefined;
  readonly seeds: number;
  readonly report: (line: string) => void;
}

export function experimentContext(
  prepared: Prepared,
  { bundle, seeds, report }: ExperimentOptions,
): ExperimentContext {
  let runs: Promise<readonly Matrix[]> | undefined;
  const trainingCpuSeconds: number[] = [];
  async function learnSeeds(): Promise<readonly Matrix[]> {
    const vectors: Matrix[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      const before = process.cpuUsage();
      vectors.push(await learnVectors(prepared, { seed, report }));
      const { user, system } = process.cpuUsage(before);
      trainingCpuSeconds.push((user + system) / 1e6);
    }
    return vectors;
  }
  const learned = (): Promise<readonly Matrix[]> => (runs ??= learnSeeds());
  const fusions = fusionRuns(prepared, seeds, report);
  return { prepared, bundle, learned, fusions, seeds, report, trainingCpuSeconds };
}
