import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { TrainedBundle } from "@marquetry/learning/bundle/bundle-folder";
import { draftBundle, sealBundle } from "@marquetry/learning/bundle/trained-bundle";
import type { Serving } from "@marquetry/learning/bundle/trained-bundle";
import type { RankingSettings } from "@marquetry/learning/scoring/ranking";
import type { Prepared } from "@marquetry/learning/representation/prepare";

/** A bundle as `train` makes it, without a record of its training. */
export async function trainedBundle(
  prepared: Prepared,
  vectors: Matrix,
  ranking: RankingSettings,
  serving: Serving = {},
): Promise<TrainedBundle> {
  const draft = await draftBundle(prepared, vectors, ranking, "a test", serving);
  return sealBundle(draft, prepared, vectors);
}
