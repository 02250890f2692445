/** Products without some of their modalities: masked, or filled with zeros as a negative control. */
import { mulberry32 } from "@marquetry/model/vectors/random";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { rowOf } from "../linear-algebra/rows.js";
import { forwardItems } from "../training/item-tower.js";
import type { Presence } from "../training/item-tower.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { nameOf } from "../training/parameters.js";
import type { Parameters, TowerShape } from "../training/parameters.js";

/** By modality, 1 where a product lost it. */
export type Removed = Readonly<Record<string, Uint8Array>>;

/** The modalities removed from every product. */
export function removedFromAll(items: number, modalities: readonly string[]): Removed {
  return Object.fromEntries(modalities.map((name) => [name, new Uint8Array(items).fill(1)]));
}

/** Each product loses the modality with this chance. */
export function removedAtRandom(
  items: number,
  modality: string,
  chance: number,
  seed: number,
): Removed {
  const uniform = mulberry32(seed);
  return { [modality]: Uint8Array.from({ length: items }, () => (uniform() < chance ? 1 : 0)) };
}

/** Every choice of modalities that leaves at least one, the empty choice first, small ones before
 * large ones. */
export function removals(modalities: readonly string[]): string[][] {
  const choices = Array.from({ length: 2 ** modalities.length - 1 }, (_, bits) =>
    modalities.filter((_name, m) => (bits >> m) % 2 === 1),
  );
  return choices.toSorted((a, b) => a.length - b.length);
}

/** What was removed takes no part in fusion. */
export function maskedVectors(
  shape: TowerShape,
  parameters: Parameters,
  presence: Presence,
  removed: Removed,
): Matrix {
  const masked = Object.entries(presence).map(([name, present]) => [
    name,
    present.map((has, item) => (removed[name]?.[item] === 1 ? 0 : has)),
  ]);
  return forwardItems(shape, parameters, Object.fromEntries(masked)).vectors;
}

/**
 * What was removed takes part as zeros, with the weight of a present modality.
 * @param zeros by content modality, what a vector of zeros is after whitening
 */
export function zeroFilledVectors(
  shape: TowerShape,
  parameters: Parameters,
  presence: Presence,
  removed: Removed,
  zeros: Readonly<Record<string, Float32Array>>,
): Matrix {
  const content = Object.entries(shape.content).map(([name, rows]) => [
    name,
    filled(rows, removed[name], zeros[name]!),
  ]);
  const table = matrix(shape.items, shape.dims, parameters[nameOf.table]);
  return forwardItems(
    { ...shape, content: Object.fromEntries(content) },
    {
      ...parameters,
      [nameOf.table]: filled(table, removed[COLLABORATIVE], new Float32Array(shape.dims)).data,
    },
    presence,
  ).vectors;
}

function filled(rows: Matrix, removed: Uint8Array | undefined, zero: Float32Array): Matrix {
  if (removed === undefined) return rows;
  const result = matrix(rows.rows, rows.cols, rows.data.slice());
  for (let i = 0; i < rows.rows; i += 1) if (removed[i] === 1) rowOf(result, i).set(zero);
  return result;
}
