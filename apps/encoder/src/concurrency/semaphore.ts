/** A bound on how much is under way at once; what comes beyond waits. */
export interface Semaphore {
  /** Runs the work once the semaphore lets it. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** @param onWaiting called with how many wait, whenever that changes */
export function createSemaphore(max: number, onWaiting: (waiting: number) => void): Semaphore {
  const waiting: (() => void)[] = [];
  let free = max;
  return {
    async run(work) {
      if (free > 0) {
        free -= 1;
      } else {
        const released = new Promise<void>((resolve) => waiting.push(resolve));
        onWaiting(waiting.length);
        await released;
      }
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else {
          onWaiting(waiting.length);
          next();
        }
      }
    },
  };
}
