/** Answering: context -> retrieve -> score -> rerank -> diversify -> explain. */
import type { PointFilter, ProductIndex } from "@marquetry/backends/product-index";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import type { Bundle } from "@marquetry/model/bundle";
import type { RankingGatewayEvents } from "../events.js";
import { createCatalogue } from "./catalogue.js";
import type { Catalogue } from "./catalogue.js";
import { createOpenContext } from "./context.js";
import type { OpenContext, RequestContext } from "./context.js";
import { diversify } from "./diversify.js";
import { explain } from "./explain.js";
import type { Answer } from "./explain.js";
import { createToPointFilter } from "./filters.js";
import type { ToPointFilter } from "./filters.js";
import { createPopularity } from "./popularity.js";
import { createRerank } from "./rerank.js";
import type { Rerank } from "./rerank.js";
import { createRetrieve } from "./retrieve.js";
import type { Candidate, Retrieve } from "./retrieve.js";
import { score, similarityTo } from "./score.js";
import type { ScoreInputs } from "./score.js";
import { createSources } from "./sources.js";
import type { Source, Sources } from "./sources.js";

/** What the calls are made of. */
export interface Pipeline {
  readonly catalogue: Catalogue;
  readonly toPointFilter: ToPointFilter;
  readonly openContext: OpenContext;
  readonly sources: Sources;
  readonly answer: (context: RequestContext, query: Query) => Promise<Answer>;
}

export interface Query {
  /** What the products are compared with: a user's interests, a product. */
  readonly near: readonly Float32Array[];
  /** The leading source first. */
  readonly sources: readonly [Source, ...Source[]];
  readonly filter: PointFilter;
  readonly limit: number;
  readonly includeVariants: boolean;
}

export function createPipeline(deps: {
  readonly bundle: Bundle;
  readonly index: ProductIndex;
  readonly profiles: ProfileStore;
  readonly events: RankingGatewayEvents;
}): Pipeline {
  const { bundle, index, profiles, events } = deps;
  const catalogue = createCatalogue(index, bundle.id);
  return {
    catalogue,
    toPointFilter: createToPointFilter(catalogue),
    openContext: createOpenContext({ profiles, popularity: createPopularity(profiles), events }),
    sources: createSources(catalogue),
    answer: createAnswer({
      bundle,
      retrieve: createRetrieve(catalogue),
      rerank: createRerank(bundle, catalogue, events),
      events,
    }),
  };
}

const REACH_MIN = 100;
const REACH_MAX = 4_000;
/** Candidates per product of the answer: groups and the other parts of the score reorder them. */
const REACH_PER_PRODUCT = 8;
/** Limit of the sources that do not lead. */
const BESIDE_MIN = 50;
/** Large groups can leave too few products: each further round looks beyond the groups of before. */
const ROUNDS_MAX = 4;

function createAnswer(deps: {
  readonly bundle: Bundle;
  readonly retrieve: Retrieve;
  readonly rerank: Rerank | undefined;
  readonly events: RankingGatewayEvents;
}): Pipeline["answer"] {
  const { bundle, retrieve, events } = deps;
  return async (context, query) => {
    const { near, sources, filter, limit, includeVariants } = query;
    const similarity = similarityTo(near, bundle);
    // It compares candidates with a history; without an interest there is none to speak of.
    const rerank = context.profile !== undefined && near.length > 0 ? deps.rerank : undefined;
    const candidates: Candidate[] = [];
    const groupIdsNone = new Set(filter.groupIdsNone);
    let reach = Math.max(REACH_MIN, limit * REACH_PER_PRODUCT, rerank?.candidates ?? 0);
    for (let round = 1; ; round += 1) {
      const retrieved = await retrieve(context, {
        near,
        withVectors: similarity.withVectors,
        filter: { ...filter, groupIdsNone: [...groupIdsNone] },
        sources,
        reach,
        limit: Math.max(BESIDE_MIN, limit),
      });
      candidates.push(...retrieved.candidates);
      const popularity = await readPopularity(context, candidates);
      const scored = score(bundle.ranking, candidates, {
        ...popularity,
        similarityOf: similarity.of,
        nowMs: Date.now(),
      });
      const ordered = rerank === undefined ? scored : await rerank.order(context, scored);
      const diverse = diversify(ordered, { includeVariants });
      if (diverse.length >= limit || !retrieved.more || round === ROUNDS_MAX) {
        const answer = explain(context, diverse.slice(0, limit));
        for (const reason of answer.degradationReasons) events.answerDegraded(reason);
        return answer;
      }
      reach = Math.min(reach * 4, REACH_MAX);
      for (const { product } of retrieved.candidates) groupIdsNone.add(product.groupId);
    }
  };
}

async function readPopularity(
  { popularity }: RequestContext,
  candidates: readonly Candidate[],
): Promise<Pick<ScoreInputs, "popularities" | "popularityTop">> {
  const [popularities, top] = await Promise.all([
    popularity.of(candidates.map(({ product }) => product.productId)),
    popularity.top(),
  ]);
  return { popularities, popularityTop: top[0]?.popularity ?? 0 };
}
