/** Each host of media by itself: a semaphore for its requests, and a circuit breaker. */
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
import { untilAborted } from "../concurrency/until-aborted.js";
import type { RetryPolicy } from "./retry-policy.js";

export interface Hosts {
  /**
   * Runs a request once the host's semaphore lets it. `busy` where too many wait for it already,
   * `circuit-open` where the host failed too often. Rejects when the signal aborts, also while
   * waiting.
   */
  run<T>(
    host: string,
    request: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | "busy" | "circuit-open">;
}

export interface HostsOptions {
  readonly requestsMax: number;
  readonly retryPolicy: RetryPolicy;
  /** Whether what a request resolved with counts against its host. */
  readonly isTransientFailure: (result: unknown) => boolean;
  readonly onCircuitOpened: (host: string) => void;
  readonly onCircuitClosed: (host: string) => void;
}

interface Policies {
  readonly semaphore: BulkheadPolicy;
  readonly breaker: CircuitBreakerPolicy;
}

/** A host that is forgotten starts with a closed circuit. */
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
      const { semaphore, breaker } = policy;
      try {
        return await untilAborted(
          semaphore.execute(() => breaker.execute(request), signal),
          signal,
        );
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof BulkheadRejectedError) return "busy";
        if (error instanceof BrokenCircuitError) return "circuit-open";
        throw error;
      }
    },
  };
}

function policiesOf(host: string, options: HostsOptions): Policies {
  const { failuresMax, circuitOpenMs } = options.retryPolicy;
  const breaker = circuitBreaker(handleWhenResult(options.isTransientFailure), {
    halfOpenAfter: circuitOpenMs,
    breaker: new ConsecutiveBreaker(failuresMax),
  });
  breaker.onBreak(() => options.onCircuitOpened(host));
  breaker.onReset(() => options.onCircuitClosed(host));
  return { semaphore: bulkhead(options.requestsMax, WAITING_MAX), breaker };
}
