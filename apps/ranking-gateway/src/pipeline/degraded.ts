/** Why an answer is less than the best one: every stage reports here, and nowhere else. */
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";

export interface Degraded {
  /** Says whether a reason applies. The last report of a reason counts. */
  report(reason: DegradationReason, applies: boolean): void;
  has(reason: DegradationReason): boolean;
  /** In ascending order of their numbers. */
  reasons(): DegradationReason[];
}

const { NO_INTEREST, PROFILE_STORE_UNAVAILABLE, UNKNOWN_USER } = DegradationReason;
/** Nobody can say so of a user while the profile store is unavailable. */
const REASONS_OF_PROFILES: readonly DegradationReason[] = [UNKNOWN_USER, NO_INTEREST];

export function createDegraded(): Degraded {
  const reasons = new Set<DegradationReason>();
  return {
    report(reason, applies) {
      if (applies) reasons.add(reason);
      else reasons.delete(reason);
    },
    has: (reason) => reasons.has(reason),
    reasons() {
      const hidden = reasons.has(PROFILE_STORE_UNAVAILABLE) ? REASONS_OF_PROFILES : [];
      return [...reasons].filter((reason) => !hidden.includes(reason)).toSorted((a, b) => a - b);
    },
  };
}
