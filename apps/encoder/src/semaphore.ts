/** A bound on how much is under way at once; what comes beyond waits its turn. */
export interface Semaphore {
  /** Runs the work once there is a slot. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** @param onWaiting hears how many wait, whenever that changes */
export function createSemaphore(max: number, onWaiting: (waiting: number) => void): Semaphore {
  const waiting: (() => void)[] = [];
  let free = max;
  return {
    async run(work) {
      if (free > 0) {
        free -= 1;
      } else {
        const turn = new Promise<void>((resolve) => waiting.push(resolve));
        onWaiting(waiting.length);
        await turn;
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
