/** Stage 1, context: what one request carries through the stages. */
import type { Profile, ProfileStore } from "@marquetry/backends/profile-store";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { toMarquetryError } from "@marquetry/runtime/errors";
import type { RankingGatewayEvents } from "../events.js";
import { createDegraded } from "./degraded.js";
import type { Degraded } from "./degraded.js";
import type { Popularity } from "./popularity.js";

export interface RequestContext {
  /** Undefined where the request names no user, or nothing is known about the user. */
  readonly profile: Profile | undefined;
  /** Nothing is popular while the profile store is unavailable. */
  readonly popularity: Popularity;
  /** Aborts when nobody waits for the answer any more. No stage stops for it yet. */
  readonly signal: AbortSignal;
  readonly degraded: Degraded;
}

export type OpenContext = (request: {
  readonly userId?: string;
  readonly signal: AbortSignal;
}) => Promise<RequestContext>;

const { NO_INTEREST, PROFILE_STORE_UNAVAILABLE, UNKNOWN_USER } = DegradationReason;

export function createOpenContext(deps: {
  readonly profiles: ProfileStore;
  readonly popularity: Popularity;
  readonly events: RankingGatewayEvents;
}): OpenContext {
  const { profiles, popularity, events } = deps;
  return async ({ userId, signal }) => {
    const degraded = createDegraded();

    /** Once the store has not answered, the request does without it. */
    async function readOr<Answer>(read: () => Promise<Answer>, fallback: Answer): Promise<Answer> {
      if (degraded.has(PROFILE_STORE_UNAVAILABLE)) return fallback;
      try {
        return await read();
      } catch (error) {
        if (toMarquetryError(error).code !== "unavailable") throw error;
        if (!degraded.has(PROFILE_STORE_UNAVAILABLE)) events.profileStoreUnavailable(error);
        degraded.report(PROFILE_STORE_UNAVAILABLE, true);
        return fallback;
      }
    }

    async function readProfile(id: string): Promise<Profile | undefined> {
      const [profile] = await readOr(() => profiles.read([id]), []);
      degraded.report(UNKNOWN_USER, profile === undefined);
      degraded.report(NO_INTEREST, profile?.interests.length === 0);
      return profile;
    }

    return {
      profile: userId === undefined ? undefined : await readProfile(userId),
      popularity: {
        top: () => readOr(() => popularity.top(), []),
        of: (productIds) =>
          readOr(() => popularity.of(productIds), new Float64Array(productIds.length)),
      },
      signal,
      degraded,
    };
  };
}
