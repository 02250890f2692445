/** Baselines: methods of every table that services do not use. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { csrTimesDense, incidence } from "../linear-algebra/csr.js";
import type { Csr } from "../linear-algebra/csr.js";
import { rowOf } from "../linear-algebra/rows.js";
import { spdInverse } from "../linear-algebra/spd-inverse.js";
import type { Scorer } from "./top-lists.js";

/** The same order for everybody: by interactions in training. */
export function popularityScorer(counts: Float64Array): Scorer {
  return (users) => {
    const scores = matrix(users.length, counts.length);
    for (let i = 0; i < users.length; i += 1) rowOf(scores, i).set(counts);
    return scores;
  };
}

/**
 * Item-kNN: the sum over the history of decay^(number of newer ones) times the co-occurrence.
 * @param similar co-occurrence, shape [items, items]
 */
export function itemKnnScorer(
  similar: Csr,
  histories: readonly Int32Array[],
  decay: number,
): Scorer {
  return (users) => {
    const scores = matrix(users.length, similar.cols);
    for (const [i, user] of users.entries()) {
      const row = rowOf(scores, i);
      let weight = 1;
      for (const item of histories[user]!.toReversed()) {
        for (let e = similar.starts[item]!; e < similar.starts[item + 1]!; e += 1) {
          const other = similar.columns[e]!;
          if (other !== item) row[other]! += weight * similar.values[e]!;
        }
        weight *= decay;
      }
    }
    return scores;
  };
}

/**
 * EASE (Steck, WWW 2019, formula 8): scores X B with B = I - P diag(P)^-1, P = (G + lambda I)^-1,
 * the diagonal of B zero; here with G = X' D_u^-1 X.
 * @param similar G, shape [items, items]
 * @param lambda above 0
 */
export function easeScorer(
  similar: Csr,
  lambda: number,
): (histories: readonly Int32Array[]) => Scorer {
  const b = easeWeights(similar, lambda);
  return (histories) => (users) =>
    csrTimesDense(
      incidence(
        Array.from(users, (user) => histories[user]!),
        b.rows,
      ),
      b,
    );
}

function easeWeights(similar: Csr, lambda: number): Matrix {
  const n = similar.cols;
  const g = matrix(n, n);
  for (let i = 0; i < n; i += 1) {
    for (let e = similar.starts[i]!; e < similar.starts[i + 1]!; e += 1) {
      g.data[i * n + similar.columns[e]!] = similar.values[e]!;
    }
    g.data[i * (n + 1)]! += lambda;
  }
  const b = spdInverse(g);
  const diagonal = Float64Array.from({ length: n }, (_, i) => b.data[i * (n + 1)]!);
  for (let i = 0; i < n; i += 1) {
    const row = rowOf(b, i);
    for (let j = 0; j < n; j += 1) row[j]! /= -diagonal[j]!;
    row[i] = 0;
  }
  return b;
}
