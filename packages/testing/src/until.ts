/** Waits for a condition; the bounds are those of `createUntil` unless told. */
export type Until = (
  what: string,
  holds: () => boolean | Promise<boolean>,
  msMax?: number,
  pollMs?: number,
) => Promise<void>;

/**
 * For tests: asks again, every `pollMs`, until the answer is yes. The bound makes a broken guarantee
 * a failure that says what was waited for, not a hang.
 */
export function createUntil(msMaxUsual: number, pollMsUsual: number): Until {
  return async (what, holds, msMax = msMaxUsual, pollMs = pollMsUsual) => {
    const deadline = Date.now() + msMax;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`after ${msMax} ms still not: ${what}`);
      await new Promise((next) => setTimeout(next, pollMs));
    }
  };
}
