/** How often a host of media is asked, and when its circuit opens. */
export interface RetryPolicy {
  readonly redirectsMax: number;
  readonly attemptsMax: number;
  /** The longest pause before the second attempt; it doubles with each. */
  readonly backoffMs: number;
  /** A host that asks for a longer pause than this is not asked again for this reading. */
  readonly retryAfterMsMax: number;
  /** So many transient failures in a row open the circuit of a host: it is not asked. */
  readonly failuresMax: number;
  /** How long a circuit is open; then one request tries the host. */
  readonly circuitOpenMs: number;
}

export const RETRY_POLICY: RetryPolicy = {
  redirectsMax: 3,
  attemptsMax: 3,
  backoffMs: 250,
  retryAfterMsMax: 5_000,
  failuresMax: 5,
  circuitOpenMs: 30_000,
};
