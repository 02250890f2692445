import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { TrainedBundle } from "../src/bundle/bundle-folder.js";
import { draftBundle, sealBundle } from "../src/bundle/trained-bundle.js";
import type { Serving } from "../src/bundle/trained-bundle.js";
import type { RankingSettings } from "../src/scoring/ranking.js";
import type { Prepared } from "../src/representation/prepare.js";

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
