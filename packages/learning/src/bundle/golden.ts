/** Golden vectors of a learned model: what the trainer had, without the services' functions. */
import type { GoldenHistory, GoldenProduct, GoldenVectors } from "@marquetry/model/bundle/golden";
import type { FusionModel, ModalityVectors } from "@marquetry/model/fusion";
import { fuse } from "@marquetry/model/fusion";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { rowOf } from "../linear-algebra/rows.js";
import { interactionsOf } from "../dataset/interactions.js";

interface GoldenSource {
  readonly fusion: FusionModel;
  /** V, the trained vectors, rows of length 1. */
  readonly vectors: Matrix;
  readonly itemIds: readonly string[];
  /** By product, whether it has a collaborative vector: then it must fuse to its row of V. */
  readonly known: (item: number) => boolean;
  readonly vectorsOf: (item: number) => ModalityVectors;
  /** By user, oldest first. */
  readonly histories: readonly Int32Array[];
  readonly interestOf: (history: Int32Array) => Float32Array;
}

const WHOLE = 2;
const COLD = 2;
const HISTORIES = 3;
/** Interactions of one history; longer ones would only make the bundle larger. */
const HISTORY_MAX = 8;

/**
 * Products with everything (their trained vector), without one modality each, and cold ones; and
 * histories. Where no trained vector exists, the expected one is what fusion gives in the trainer.
 */
export function goldenVectors(source: GoldenSource): GoldenVectors {
  const { itemIds, histories, known } = source;
  const items = itemIds.map((_, item) => item);
  const whole = items.filter(known).slice(0, WHOLE);
  // Any product is a cold one without its collaborative vector, where all have one.
  const cold = items.filter((item) => !known(item)).slice(0, COLD);
  const pooled = histories
    .map((history) => history.slice(-HISTORY_MAX))
    .filter((history) => history.length > 0 && history.every(known))
    .toSorted((a, b) => b.length - a.length)
    .slice(0, HISTORIES);
  return {
    products: [
      ...whole.map((item) => trainedProduct(source, item)),
      ...whole.slice(0, 1).flatMap((item) => partialProducts(source, item)),
      ...cold.flatMap((item) => fusedProduct(source, `${itemIds[item]}, cold`, item)),
    ],
    histories: pooled.map((each) => history(source, each)),
  };
}

function trainedProduct({ vectors, vectorsOf, itemIds }: GoldenSource, item: number) {
  return { name: itemIds[item]!, vectors: vectorsOf(item), fused: rowOf(vectors, item) };
}

function partialProducts(source: GoldenSource, item: number): GoldenProduct[] {
  const { vectorsOf, itemIds } = source;
  const whole = vectorsOf(item);
  return Object.keys(whole).flatMap((missing) => {
    const rest = Object.fromEntries(Object.entries(whole).filter(([name]) => name !== missing));
    return fusedProduct(source, `${itemIds[item]} without ${missing}`, item, rest);
  });
}

/** None where the product has no modality. */
function fusedProduct(
  { fusion, vectorsOf }: GoldenSource,
  name: string,
  item: number,
  vectors: ModalityVectors = vectorsOf(item),
): GoldenProduct[] {
  const fused = fuse(fusion, vectors);
  return fused === undefined ? [] : [{ name, vectors, fused }];
}

function history({ vectors, itemIds, interestOf }: GoldenSource, items: Int32Array) {
  return {
    name: Array.from(items, (item) => itemIds[item]!)
      .join(", ")
      .slice(0, NAME_MAX),
    interactions: interactionsOf(vectors, items),
    interest: interestOf(items),
  } satisfies GoldenHistory;
}

const NAME_MAX = 300;
