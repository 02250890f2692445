/** Guesses the collaborative vector of products without interactions from products with similar
 * content. */
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { fuse, fusedDims } from "@marquetry/model/fusion";
import type { FusionModel, ModalityVectors } from "@marquetry/model/fusion";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { largestPlaces } from "../linear-algebra/largest.js";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";

/** Products with a collaborative vector, in one order. */
interface KnownProducts {
  /** c_n, the products fused from their content alone, rows of length 1; zero for one without. */
  readonly content: Matrix;
  /** b_n, rows of length 1. */
  readonly collaborative: Matrix;
}

/**
 * Of a block of cold products, each by its c as a row of length 1: the collaborative vector
 *
 *   b = norm(sum_n w_n b_n),   w_n = max(0, c'c_n)^6 over the 10 nearest n.
 *
 * @returns one row of length 1 per product; a zero row where no known product has a like content
 */
export type Impute = (content: Matrix) => Matrix;

/** Chosen on Scientific's validation part among 10 and 20, powers 2 and 6. */
const NEIGHBOURS = 10;
const POWER = 6;

/** @param known the products to impute from, in one order */
export function createImpute({ content: known, collaborative }: KnownProducts): Impute {
  return (content) => {
    const cosines = matmul(content, known, { transposeB: true });
    const imputed = matrix(content.rows, collaborative.cols);
    for (let i = 0; i < content.rows; i += 1) {
      const row = rowOf(cosines, i);
      const to = rowOf(imputed, i);
      for (const n of largestPlaces(row, NEIGHBOURS)) {
        const weight = Math.max(0, row[n]!) ** POWER;
        const from = rowOf(collaborative, n);
        for (let j = 0; j < to.length; j += 1) to[j]! += weight * from[j]!;
      }
    }
    return normaliseRows(imputed);
  };
}

/**
 * c = fuse(the product's content modalities): products are as similar as the model itself says.
 * @param products modality vectors of each; a collaborative vector among them is ignored
 * @returns one row of length 1 per product; zeros for one without content
 */
export function contentRows(fusion: FusionModel, products: readonly ModalityVectors[]): Matrix {
  const rows = matrix(products.length, fusedDims(fusion));
  for (const [i, { [COLLABORATIVE]: _, ...content }] of products.entries()) {
    rowOf(rows, i).set(fuse(fusion, content) ?? []);
  }
  return normaliseRows(rows);
}

/** The collaborative vector of each product; undefined for one that is like no other. */
export function imputedRows(
  impute: Impute,
  fusion: FusionModel,
  products: readonly ModalityVectors[],
): (Float32Array | undefined)[] {
  if (products.length === 0) return [];
  const imputed = impute(contentRows(fusion, products));
  return products.map((_, i) => {
    const row = rowOf(imputed, i);
    return row.some((x) => x !== 0) ? row : undefined;
  });
}
