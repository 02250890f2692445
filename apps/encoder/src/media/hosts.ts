/** Each host of media by itself: how much is asked of it at a time, and when it is left alone. */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  ConsecutiveBreaker,
  bulkhead,
  circuitBreaker,
  handleWhenResult,
} from "cockatiel";
import type { BulkheadPolicy, CircuitBreakerPolicy } from "cockatiel";
import { LRUCache } from "lru-cache";
import { untilAborted } from "../until-aborted.js";
import type { Patience } from "./limits.js";

export interface Hosts {
  /**
   * Runs a request to the host when its turn comes. `busy` where too many wait for it already,
   * `left-alone` where it failed too often. Rejects when the signal is aborted, also while waiting.
   */
  run<T>(
    host: string,
    request: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | "busy" | "left-alone">;
}

export interface HostsOptions {
  readonly requestsMax: number;
  readonly patience: Patience;
  /** Whether what a request resolved with speaks against its host. */
  readonly isTrouble: (result: unknown) => boolean;
  readonly onLeftAlone: (host: string) => void;
  readonly onBack: (host: string) => void;
}

interface Policies {
  readonly turns: BulkheadPolicy;
  readonly breaker: CircuitBreakerPolicy;
}

/** Whoever is forgotten starts anew. */
const HOSTS_MAX = 1_024;
const WAITING_MAX = 256;

export function createHosts(options: HostsOptions): Hosts {
  const policies = new LRUCache<string, Policies>({ max: HOSTS_MAX });
  return {
    async run(host, request, signal) {
      let policy = policies.get(host);
      if (policy === undefined) {
        policy = policiesOf(host, options);
        policies.set(host, policy);
      }
      const { turns, breaker } = policy;
      try {
        return await untilAborted(
          turns.execute(() => breaker.execute(request), signal),
          signal,
        );
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof BulkheadRejectedError) return "busy";
        if (error instanceof BrokenCircuitError) return "left-alone";
        throw error;
      }
    },
  };
}

function policiesOf(host: string, options: HostsOptions): Policies {
  const { failuresMax, leaveAloneMs } = options.patience;
  const breaker = circuitBreaker(handleWhenResult(options.isTrouble), {
    halfOpenAfter: leaveAloneMs,
    breaker: new ConsecutiveBreaker(failuresMax),
  });
  breaker.onBreak(() => options.onLeftAlone(host));
  breaker.onReset(() => options.onBack(host));
  return { turns: bulkhead(options.requestsMax, WAITING_MAX), breaker };
}
