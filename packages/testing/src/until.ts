type Answer<T> = T | Promise<T>;

/** Bounds default to those of `createUntil`. */
export interface Until {
  /** Waits for a condition. */
  (what: string, holds: () => Answer<boolean>, msMax?: number, pollMs?: number): Promise<void>;
  /** Waits for a result. */
  <T extends object>(
    what: string,
    probe: () => Answer<T | false | undefined>,
    msMax?: number,
    pollMs?: number,
  ): Promise<T>;
}

/**
 * The one way in which tests wait for what they cannot await: it asks again, every `pollMs`, until the
 * answer is yes. The bound makes a broken guarantee a failure that says what was waited for, not a hang.
 * @param pollMsDefault 0 asks in each turn of the event loop
 */
export function createUntil(msMaxDefault: number, pollMsDefault: number): Until {
  return async (
    what: string,
    probe: () => Answer<unknown>,
    msMax = msMaxDefault,
    pollMs = pollMsDefault,
  ) => {
    const deadline = performance.now() + msMax;
    for (;;) {
      const answer = await probe();
      if (answer) return answer as never;
      if (performance.now() > deadline) throw new Error(`after ${msMax} ms still not: ${what}`);
      await new Promise((next) => (pollMs === 0 ? setImmediate(next) : setTimeout(next, pollMs)));
    }
  };
}
