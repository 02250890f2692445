import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { TrainedBundle } from "@marquetry/learning/bundle/bundle-folder";
import { draftBundle, sealBundle } from "@marquetry/learning/bundle/trained-bundle";
import type { Serving } from "@marquetry/learning/bundle/trained-bundle";
import type { LearnedModel } from "@marquetry/learning/learn/learn-model";
import type { Prepared } from "@marquetry/learning/representation/prepare";

/** A bundle as `train` makes it, without a record of its training. */
export async function trainedBundle(
  prepared: Prepared,
  vectors: Matrix,
  ranking: LearnedModel["ranking"],
  serving: Serving = {},
): Promise<TrainedBundle> {
  const draft = await draftBundle(prepared, vectors, ranking, "a test", serving);
  return sealBundle(draft, prepared, vectors);
}
