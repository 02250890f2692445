import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { Dataset } from "../src/dataset/dataset.js";
import type { Prepared } from "../src/representation/prepare.js";

/** With one modality, whose vectors are used as they are; nothing is learned from it. */
export function preparedWithText(
  dataset: Omit<Dataset, "features" | "texts">,
  text: Matrix,
  counts: Float64Array,
): Prepared {
  return {
    dataset: { ...dataset, features: {}, texts: {} },
    features: { text },
    encoders: { text: { encoder: "words", dims: text.cols } },
    content: {},
    whitenings: {},
    counts,
  };
}
