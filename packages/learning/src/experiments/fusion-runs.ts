/** One fusion model alone, trained in the ways that methods and curves compare. */
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { learnFusion } from "../learn/learn-fusion.js";
import type { LearnedFusion } from "../learn/learn-fusion.js";
import type { Prepared } from "../representation/prepare.js";

export interface FusionWay {
  readonly weights: "attention" | "fixed";
  /** Whether products lack modalities at random in training. */
  readonly dropout: boolean;
  /** Whether interests are weighed by attention too. Default: by recency alone. */
  readonly interests?: boolean;
}

/** Chance that a product lacks a modality in a step of training; chosen on the validation part. */
export const DROPOUT = 0.3;

/** More runs would take longer than they would tell. */
const SEEDS_MAX = 3;

/** Each way is trained at its first call, and then remembered. */
export function fusionRuns(
  prepared: Prepared,
  seeds: number,
  report: (line: string) => void,
): (way: FusionWay) => readonly LearnedFusion[] {
  const modalities = [...Object.keys(prepared.content), COLLABORATIVE];
  const chances = Object.fromEntries(modalities.map((name) => [name, DROPOUT]));
  const trained = new Map<string, readonly LearnedFusion[]>();
  return ({ weights, dropout, interests = false }) => {
    const key = `${weights} ${dropout} ${interests}`;
    const way = { weights, interests, dropout: dropout ? chances : {} };
    const runs =
      trained.get(key) ??
      Array.from({ length: Math.min(seeds, SEEDS_MAX) }, (_, i) =>
        learnFusion(prepared, { ...way, seed: i + 1, report }),
      );
    trained.set(key, runs);
    return runs;
  };
}
