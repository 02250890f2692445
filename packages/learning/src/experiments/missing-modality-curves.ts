/** What a fused vector is still worth where products lack modalities. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mainCutoff } from "../scoring/choose.js";
import type { Curve, CurvePoint, CurveSeries } from "./curve.js";
import type { MetricsAt } from "../scoring/metrics.js";
import {
  maskedVectors,
  removals,
  removedAtRandom,
  removedFromAll,
  zeroFilledVectors,
} from "./missing-modalities.js";
import type { Removed } from "./missing-modalities.js";
import { besideRows, normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { whiteningOfZero } from "../representation/content.js";
import { fullPresence } from "../training/item-tower.js";
import type { Presence } from "../training/item-tower.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { CURVE_POLICY, metricsFor, pointOf } from "./curve-points.js";
import { DROPOUT } from "./fusion-runs.js";
import type { FusionWay } from "./fusion-runs.js";
import { chooseRanking } from "../learn/choose-ranking.js";
import { rankingOf } from "../scoring/ranking.js";
import type { LearnedFusion } from "../learn/learn-fusion.js";
import type { RankingSettings } from "../scoring/ranking.js";
import type { Prepared } from "../representation/prepare.js";

/** Percent of the products that lose one modality. */
const PERCENT = [0, 10, 30, 50, 70, 90];
/** The vectors of one trained model where some modalities are gone. */
interface Handling {
  readonly name: string;
  /** One per seed. */
  readonly runs: readonly {
    readonly ranking: RankingSettings;
    readonly vectors: (removed: Removed) => Matrix;
  }[];
}

interface Trained {
  readonly fusion: LearnedFusion;
  readonly presence: Presence;
  readonly ranking: RankingSettings;
}

/** The curve over every combination of modalities, and one for each modality lost at random. */
export function missingModalityCurves(
  prepared: Prepared,
  fusions: (way: FusionWay) => readonly LearnedFusion[],
): Curve[] {
  const modalities = [...Object.keys(prepared.content), COLLABORATIVE];
  const handlings = handlingsOf(prepared, fusions);
  const items = prepared.dataset.itemIds.length;
  const combinations = removals(modalities);
  const everywhere = curveOf(prepared, handlings, {
    name: "missing-modality",
    title: "Modalities removed from every product",
    xLabel: "removed",
    xs: combinations.map((names) => names.join(" + ") || "none"),
    removed: combinations.map((names) => removedFromAll(items, names)),
  });
  // One run of each and the chief ways only: a curve per modality has six points each.
  const chief = handlings
    .filter(({ name }) => name !== NAMES.fixedDropout)
    .map(({ name, runs }) => ({ name, runs: runs.slice(0, 1) }));
  const atRandom = modalities.map((modality, m) =>
    curveOf(prepared, chief, {
      name: `missing-${modality}`,
      title: `Products that lost ${modality} at random`,
      xLabel: `% of products without ${modality}`,
      xs: PERCENT,
      removed: PERCENT.map((percent) => removedAtRandom(items, modality, percent / 100, m + 1)),
    }),
  );
  const content = Object.keys(prepared.content);
  return [{ ...everywhere, verdict: verdictOf(everywhere, content) }, ...atRandom];
}

function handlingsOf(
  prepared: Prepared,
  fusions: (way: FusionWay) => readonly LearnedFusion[],
): Handling[] {
  const train = (way: FusionWay): Trained[] =>
    fusions(way).map((fusion) => ({
      fusion,
      presence: fullPresence(fusion.shape),
      ranking: chooseRanking(prepared, fusion.vectors, CURVE_POLICY),
    }));
  const attention = train({ weights: "attention", dropout: true });
  const masked = (name: string, models: readonly Trained[]): Handling => ({
    name,
    runs: models.map(({ fusion: { shape, parameters }, presence, ranking }) => ({
      ranking,
      vectors: (removed) => maskedVectors(shape, parameters, presence, removed),
    })),
  });
  const zeros = zerosOf(prepared);
  const alone = contentAlone(prepared);
  return [
    masked(NAMES.attention, attention),
    masked(NAMES.fixed, train({ weights: "fixed", dropout: false })),
    masked(NAMES.fixedDropout, train({ weights: "fixed", dropout: true })),
    {
      name: NAMES.zeros,
      runs: attention.map(({ fusion: { shape, parameters }, presence, ranking }) => ({
        ranking,
        vectors: (removed) => zeroFilledVectors(shape, parameters, presence, removed, zeros),
      })),
    },
    {
      name: NAMES.content,
      runs: [
        {
          ranking: chooseRanking(prepared, alone({}), CURVE_POLICY),
          vectors: alone,
        },
      ],
    },
  ];
}

const NAMES = {
  attention: "attention, trained with dropout",
  fixed: "fixed weights",
  fixedDropout: "fixed weights, trained with dropout",
  zeros: "attention, zeros instead of what is missing",
  content: "content alone, not trained",
} as const;

/** Whitened content beside one another, without collaborative vectors: text only where that is all. */
function contentAlone({ content }: Prepared): (removed: Removed) => Matrix {
  return (removed) => {
    const masked = Object.entries(content).map(([name, rows]) => {
      const result = matrix(rows.rows, rows.cols, rows.data.slice());
      removed[name]?.forEach((gone, i) => gone === 1 && rowOf(result, i).fill(0));
      return result;
    });
    return normaliseRows(besideRows(...masked));
  };
}

function zerosOf({ whitenings }: Prepared): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(whitenings).map(([name, whitening]) => [name, whiteningOfZero(whitening)]),
  );
}

interface CurveFrame extends Pick<Curve, "name" | "title" | "xLabel" | "xs"> {
  readonly removed: readonly Removed[];
}

function curveOf(
  prepared: Prepared,
  handlings: readonly Handling[],
  { removed, ...frame }: CurveFrame,
): Curve {
  const series = handlings.map(({ name, runs }): CurveSeries => {
    const points = removed.map((gone): CurvePoint | undefined => {
      const metrics = runs.map(({ vectors, ranking }): MetricsAt | undefined => {
        const shown = vectors(gone);
        if (shown.data.every((x) => x === 0)) return undefined;
        return metricsFor(prepared, rankingOf(prepared, shown)(ranking));
      });
      return metrics.includes(undefined) ? undefined : pointOf(metrics as MetricsAt[]);
    });
    return { name, points };
  });
  return { ...frame, protocol: PROTOCOL, k: mainCutoff(prepared.dataset), series };
}

const PROTOCOL =
  `One fusion model alone, not several joined, and without neighbours, so that a product has ` +
  `nothing but its own modalities. Dropout: in every step of training a product lacks each modality ` +
  `with the chance ${DROPOUT}. Fixed weights: the same model with equal weights for all present ` +
  `modalities. What is missing is missing in the candidates and in the histories. Zeros: the ` +
  `encoder's vector is replaced by zeros before whitening and takes its weight like a present one ` +
  `(the negative control). Own history is left out. Epochs, decay and weight of popularity were ` +
  `chosen on the validation part with everything present.`;

/** Whether attention keeps more of its full metric than the others, for each content modality. */
function verdictOf({ series, xs, k }: Curve, content: readonly string[]): string {
  const shareOf = (name: string, removed: string): number => {
    const { points } = series.find((each) => each.name === name)!;
    return points[xs.indexOf(removed)]!.recall.value / points[0]!.recall.value;
  };
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  const sentences = content.map((modality) => {
    const [ours, fixed, zeros, dropout] = (
      [NAMES.attention, NAMES.fixed, NAMES.zeros, NAMES.fixedDropout] as const
    ).map((name) => shareOf(name, modality)) as [number, number, number, number];
    const word = ours > fixed && ours > zeros ? "reached" : "missed";
    return (
      `Without ${modality}: attention ${percent(ours)}, fixed weights ${percent(fixed)}, zeros ` +
      `${percent(zeros)}: goal ${word}. Fixed weights trained with the same dropout ` +
      `${percent(dropout)}, so that ${ours > dropout ? "the weights add to" : "it is"} the ` +
      `dropout${ours > dropout ? "" : ", not the weights, that keeps it"}.`
    );
  });
  return (
    `Share of its own full recall@${k} that each keeps; the goal is that attention keeps more than ` +
    `fixed weights and more than zeros. ${sentences.join(" ")} A difference below two standard ` +
    `errors of the table may be chance.`
  );
}
