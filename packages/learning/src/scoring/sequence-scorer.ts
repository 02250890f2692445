/** Ranking by a sequence model's interests. */
import { matmul } from "../linear-algebra/gemm.js";
import { interestsOf } from "../sequence/interests.js";
import type { SequenceModel } from "../sequence/interests.js";
import { addPrior } from "./pooled.js";
import type { Scorer } from "./top-lists.js";

/** score = u'v + prior. */
export function sequenceScorer(
  model: SequenceModel,
  histories: readonly Int32Array[],
  prior: Float64Array,
): Scorer {
  return (users) => {
    const interests = interestsOf(
      model,
      Array.from(users, (user) => histories[user]!),
    );
    return addPrior(matmul(interests, model.vectors, { transposeB: true }), prior);
  };
}
