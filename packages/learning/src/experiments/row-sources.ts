/** Which rows the quality table has, in its order. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { BundleFolder } from "../bundle/bundle-folder.js";
import type { Row } from "./report.js";
import { fusionRuns } from "../learn/fusion-runs.js";
import type { FusionWay } from "../learn/fusion-runs.js";
import { learnVectors } from "../learn/learn.js";
import type { LearnedFusion } from "../learn/learn.js";
import {
  behaviourOnlyRows,
  bundleRows,
  coldRows,
  concatenationRows,
  contentRows,
  easeRows,
  fusionRows,
  itemKnnRows,
  learnedRows,
  popularityRows,
  sequenceRows,
} from "./methods.js";
import type { Prepared } from "../representation/prepare.js";
import { severalRows } from "./several-rows.js";
import { rerankedRows } from "./reranked-rows.js";

/** What rows are made from. */
export interface RowContext {
  readonly prepared: Prepared;
  readonly bundle: BundleFolder | undefined;
  /** The learned vectors, one matrix per seed; trained when first asked for, none where there are
   * to be no seeds. */
  readonly learned: () => Promise<readonly Matrix[]>;
  /** One fusion model alone, at most three seeds of it; trained when first asked for. */
  readonly fusions: (way: FusionWay) => readonly LearnedFusion[];
  readonly seeds: number;
  readonly report: (line: string) => void;
  /** CPU seconds of each training so far. */
  readonly trainingCpuSeconds: readonly number[];
}

export interface RowSource {
  /** What `--rows` calls it. */
  readonly name: string;
  /** Nothing where the source does not apply. */
  readonly rows: (
    context: RowContext,
  ) => Iterable<Row> | AsyncIterable<Row> | Promise<readonly Row[]>;
}

const WEIGHTED_SUM: FusionWay = { weights: "fixed", dropout: true };
const ATTENTION: FusionWay = { weights: "attention", dropout: true };
const INTERESTS: FusionWay = { ...ATTENTION, interests: true };

export const ROW_SOURCES: readonly RowSource[] = [
  { name: "popularity", rows: ({ prepared }) => popularityRows(prepared) },
  { name: "item-knn", rows: ({ prepared }) => itemKnnRows(prepared) },
  { name: "ease", rows: ({ prepared }) => easeRows(prepared) },
  { name: "content", rows: ({ prepared }) => contentRows(prepared) },
  { name: "behaviour", rows: ({ prepared }) => behaviourOnlyRows(prepared) },
  { name: "concatenation", rows: ({ prepared }) => concatenationRows(prepared) },
  {
    name: "weighted-sum",
    rows: ({ prepared, fusions, seeds }) =>
      seeds === 0 ? [] : fusionRows(prepared, "weighted sum", fusions(WEIGHTED_SUM)),
  },
  {
    name: "attention",
    rows: ({ prepared, fusions, seeds }) =>
      seeds === 0 ? [] : fusionRows(prepared, "attention", fusions(ATTENTION)),
  },
  {
    // Sets without order are pooled by their mean.
    name: "interests",
    rows: ({ prepared, fusions, seeds }) =>
      seeds === 0 || !prepared.dataset.ordered
        ? []
        : fusionRows(prepared, "attention, of interests too", fusions(INTERESTS)),
  },
  {
    name: "bundle",
    rows: ({ prepared, bundle }) => (bundle === undefined ? [] : bundleRows(prepared, bundle)),
  },
  {
    name: "full",
    rows: async function* ({ prepared, learned, seeds }) {
      if (seeds > 0) yield* learnedRows(prepared, await learned());
    },
  },
  {
    name: "several",
    rows: async function* ({ prepared, learned }) {
      yield* severalRows(prepared, await learned());
    },
  },
  {
    name: "re-ranked",
    rows: async function* ({ prepared, learned }) {
      yield* rerankedRows(prepared, await learned());
    },
  },
  {
    name: "sequence",
    rows: async function* ({ prepared, learned, report }) {
      yield* sequenceRows(prepared, await learned(), report);
    },
  },
];

/** Instead of the others: with some products taken out of all that is known. */
export function coldSource(share: number): RowSource {
  return {
    name: "cold",
    rows: ({ prepared, seeds, report }) => coldRows(prepared, share, seeds, report),
  };
}

export interface RowContextOptions {
  readonly bundle: BundleFolder | undefined;
  readonly seeds: number;
  readonly report: (line: string) => void;
}

export function rowContext(
  prepared: Prepared,
  { bundle, seeds, report }: RowContextOptions,
): RowContext {
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
