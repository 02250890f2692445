/** The profile store as one call sees it: without the store the gateway goes on, and says so. */
import type { Profile, ProfileStore } from "@marquetry/backends/profile-store";
import { toMarquetryError } from "@marquetry/runtime/errors";
import type { RankingGatewayEvents } from "./events.js";
import type { Popularity } from "./popularity.js";

/** Once the store has not answered it is not asked again: no profile is known, nothing is popular. */
export interface ProfileView extends Popularity {
  profileOf(userId: string): Promise<Profile | undefined>;
  /** Whether the store has failed to answer so far. */
  isAway(): boolean;
}

export type OpenProfileView = () => ProfileView;

export function createOpenProfileView(parts: {
  readonly profiles: ProfileStore;
  readonly popularity: Popularity;
  readonly events: RankingGatewayEvents;
}): OpenProfileView {
  const { profiles, popularity, events } = parts;
  return () => {
    let away = false;

    async function ask<Answer>(question: () => Promise<Answer>, without: Answer): Promise<Answer> {
      if (away) return without;
      try {
        return await question();
      } catch (error) {
        if (toMarquetryError(error).code !== "unavailable") throw error;
        if (!away) events.profileStoreUnavailable(error);
        away = true;
        return without;
      }
    }

    return {
      async profileOf(userId) {
        const [profile] = await ask(() => profiles.read([userId]), []);
        return profile;
      },
      top: () => ask(() => popularity.top(), []),
      of: (productIds) => ask(() => popularity.of(productIds), new Float64Array(productIds.length)),
      isAway: () => away,
    };
  };
}
