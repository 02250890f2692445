/** One learned attention as a bundle has it: nothing is approximated, cold products included. */
import { identity, matrix, transpose } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { gatherRows } from "../linear-algebra/rows.js";
import type { LearnedFusion } from "../learn/learn-fusion.js";
import type { Prepared } from "../representation/prepare.js";
import { residualProjection } from "../training/towers.js";
import type { Towers } from "../training/towers.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { nameOf, towersOf } from "../training/parameters.js";
import { toModelScorer } from "../training/scorer.js";
import { withLengthKept } from "./distil.js";
import type { ServedFusion } from "./distil.js";

/** @throws RangeError where the products take a share of their neighbours: no service knows those */
export function nativeFusion(
  { whitenings, features }: Prepared,
  { shape, parameters }: LearnedFusion,
): ServedFusion {
  const { items, dims, known, scorer, graph, content } = shape;
  if (graph !== undefined) throw new RangeError("fusion: neighbours are no part of a bundle's");
  const knownItems = Int32Array.from(
    Array.from({ length: items }, (_, i) => i).filter((i) => known[i] === 1),
  );
  const table = gatherRows(matrix(items, dims, parameters[nameOf.table]), knownItems);
  const collaborative = { items: knownItems, ...withLengthKept(table) };
  const biasOf = (name: string): number => parameters[nameOf.gate(name)]![0]!;
  const modalities = Object.entries(content).map(([name, { cols }]) => ({
    name,
    dims: features[name]!.cols,
    whitening: whitenings[name]!,
    projection: transpose(matrix(cols, dims, parameters[nameOf.projection(name)])),
    bias: biasOf(name),
  }));
  return {
    fusion: {
      strategy: "attention",
      modalities: [
        ...modalities,
        {
          name: COLLABORATIVE,
          dims: collaborative.vectors.cols,
          projection: collaborative.projection,
          bias: biasOf(COLLABORATIVE),
        },
      ],
      ...toModelScorer(scorer, parameters),
      normaliseOutput: true,
    },
    ...similarityOf(towersOf(shape, parameters)),
    collaborative,
  };
}

function similarityOf(towers: Towers | undefined): Pick<ServedFusion, "similarity"> {
  if (towers === undefined) return {};
  const layer = (tower: Matrix) => ({
    weight: residualProjection(identity(tower.rows), transpose(tower)),
  });
  return {
    similarity: {
      kind: "two-tower",
      user: layer(towers.user),
      item: layer(towers.item),
      normaliseOutput: true,
    },
  };
}
