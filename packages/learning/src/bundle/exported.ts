/** A bundle as an export leaves it in the running system, with what services compute of it. */
import { openInterests } from "@marquetry/inference/interests";
import type { Bundle } from "@marquetry/model/bundle";
import { fuse, fusedDims } from "@marquetry/model/fusion";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { interactionsOf } from "../dataset/interactions.js";
import { rowOf } from "../linear-algebra/rows.js";
import { contentRows, createImpute, imputedRows } from "../representation/imputation.js";
import type { BundleFolder } from "./bundle-folder.js";
import { modalityVectors } from "./trained-bundle.js";

/** Below the bound of the queue before a sequence model. */
const HISTORIES_AT_ONCE = 1_024;

interface ExportedBundle {
  /** With imputed collaborative vectors. */
  readonly folder: BundleFolder;
  /** Of `fusedVectors`. */
  readonly vectors: Matrix;
  /** Of `graphInterests`. */
  readonly interestsOf: InterestsOf | undefined;
}

/** @param histories whose interests are computed ahead, where the bundle has a sequence model */
export async function exportedBundle(
  folder: BundleFolder,
  features: Readonly<Record<string, Matrix>>,
  itemCount: number,
  histories: readonly Int32Array[],
): Promise<ExportedBundle> {
  const exported = withImputedCollaborative(folder, features, itemCount);
  const vectors = fusedVectors(exported, features, itemCount);
  const interestsOf = await graphInterests(exported.bundle, vectors, histories);
  return { folder: exported, vectors, interestsOf };
}

/** Products without collaborative vector get an imputed one. */
export function withImputedCollaborative(
  folder: BundleFolder,
  features: Readonly<Record<string, Matrix>>,
  itemCount: number,
): BundleFolder {
  const { bundle, collaborative } = folder;
  const { items, vectors } = collaborative;
  const vectorsOf = modalityVectors(features, collaborative);
  const known = new Set(items);
  const cold = Array.from({ length: itemCount }, (_, i) => i).filter((item) => !known.has(item));
  if (cold.length === 0 || items.length === 0) return folder;
  const content = contentRows(bundle.fusion, Array.from(items, vectorsOf));
  const impute = createImpute({ content, collaborative: vectors });
  const guesses = imputedRows(impute, bundle.fusion, cold.map(vectorsOf));
  const found = cold.flatMap((item, i) => {
    const row = guesses[i];
    return row === undefined ? [] : [{ item, row }];
  });
  const all = matrix(vectors.rows + found.length, vectors.cols);
  all.data.set(vectors.data);
  for (const [i, { row }] of found.entries()) rowOf(all, vectors.rows + i).set(row);
  return {
    ...folder,
    collaborative: {
      ...collaborative,
      items: Int32Array.of(...items, ...found.map(({ item }) => item)),
      vectors: all,
    },
  };
}

/** The interests of a history, whose actions are by place where they are known. */
export type InterestsOf = (history: Int32Array, actions?: Int32Array) => Float32Array[];

/**
 * The histories' interests by the bundle's sequence model, as user-profile computes them. All actions of
 * datasets are positive, so that a sequence model's interests do not depend on them.
 * @param vectors of `fusedVectors`
 * @returns undefined for a bundle of another strategy, which needs nothing computed ahead
 * @throws as `openInterests`
 */
export async function graphInterests(
  bundle: Bundle,
  vectors: Matrix,
  histories: readonly Int32Array[],
): Promise<InterestsOf | undefined> {
  if (bundle.interests.strategy !== "sequence") return undefined;
  const interests = await openInterests(bundle);
  const known = new Map<string, Float32Array[]>();
  try {
    for (let from = 0; from < histories.length; from += HISTORIES_AT_ONCE) {
      const block = histories.slice(from, from + HISTORIES_AT_ONCE);
      const answers = await interests.of(block.map((each) => interactionsOf(vectors, each)));
      for (const [i, history] of block.entries()) known.set(history.join(), answers[i]!);
    }
  } finally {
    await interests.close();
  }
  return (history) => known.get(history.join()) ?? [];
}

/** Of each product; zeros for one that has no modality. */
export function fusedVectors(
  { bundle, collaborative }: BundleFolder,
  features: Readonly<Record<string, Matrix>>,
  itemCount: number,
): Matrix {
  const vectorsOf = modalityVectors(features, collaborative);
  const vectors = matrix(itemCount, fusedDims(bundle.fusion));
  for (let item = 0; item < itemCount; item += 1) {
    const vector = fuse(bundle.fusion, vectorsOf(item));
    if (vector) rowOf(vectors, item).set(vector);
  }
  return vectors;
}
