/** Which methods the quality table has, in its order. */
import { bundleResults } from "../bundle/bundle-results.js";
import { popularityResults } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import { easeResults, itemKnnResults } from "./baseline-methods.js";
import { coldResults } from "./cold-products-method.js";
import type { ExperimentContext } from "./context.js";
import type { FusionWay } from "./fusion-runs.js";
import { sequenceResults } from "./interest-methods.js";
import { multiInterestResults } from "./multi-interest-method.js";
import { rerankedResults } from "./reranked-method.js";
import {
  collaborativeResults,
  concatenationResults,
  contentResults,
  fusionResults,
  learnedResults,
} from "./vector-methods.js";

export interface Method {
  /** Value of `--methods`. */
  readonly name: string;
  /** Nothing where the method does not apply. */
  readonly results: (
    context: ExperimentContext,
  ) => Iterable<MethodResult> | AsyncIterable<MethodResult> | Promise<readonly MethodResult[]>;
}

const WEIGHTED_SUM: FusionWay = { weights: "fixed", dropout: true };
const ATTENTION: FusionWay = { weights: "attention", dropout: true };
const INTERESTS: FusionWay = { ...ATTENTION, interests: true };

export const METHODS: readonly Method[] = [
  { name: "popularity", results: ({ prepared }) => popularityResults(prepared) },
  { name: "item-knn", results: ({ prepared }) => itemKnnResults(prepared) },
  { name: "ease", results: ({ prepared }) => easeResults(prepared) },
  { name: "content", results: ({ prepared }) => contentResults(prepared) },
  { name: "behaviour", results: ({ prepared }) => collaborativeResults(prepared) },
  { name: "concatenation", results: ({ prepared }) => concatenationResults(prepared) },
  fusionMethod("weighted-sum", "weighted sum", WEIGHTED_SUM),
  fusionMethod("attention", "attention", ATTENTION),
  {
    // Sets without order are pooled by their mean.
    name: "interests",
    results: ({ prepared, fusions, seeds }) =>
      seeds === 0 || !prepared.dataset.ordered
        ? []
        : fusionResults(prepared, "attention, of interests too", fusions(INTERESTS)),
  },
  {
    name: "bundle",
    results: ({ prepared, bundle }) =>
      bundle === undefined ? [] : bundleResults(prepared, bundle),
  },
  {
    name: "full",
    async *results({ prepared, learned, seeds }) {
      if (seeds > 0) yield* learnedResults(prepared, await learned());
    },
  },
  {
    name: "several",
    async *results({ prepared, learned }) {
      yield* multiInterestResults(prepared, await learned());
    },
  },
  {
    name: "re-ranked",
    async *results({ prepared, learned }) {
      yield* rerankedResults(prepared, await learned());
    },
  },
  {
    name: "sequence",
    async *results({ prepared, learned, report }) {
      yield* sequenceResults(prepared, await learned(), report);
    },
  },
];

function fusionMethod(name: string, label: string, way: FusionWay): Method {
  return {
    name,
    results: ({ prepared, fusions, seeds }) =>
      seeds === 0 ? [] : fusionResults(prepared, label, fusions(way)),
  };
}

/** Instead of the others: with some products removed from all that is known. */
export function coldMethod(share: number): Method {
  return {
    name: "cold",
    results: ({ prepared, seeds, report }) => coldResults(prepared, share, seeds, report),
  };
}
