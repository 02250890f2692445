/** Who runs next on one thread. */
import { setImmediate as nextTurn } from "node:timers/promises";

export interface PriorityMutex {
  /** Does one piece of work at a time: the urgent before the others, else in the order of calls. */
  run<T>(urgent: boolean, work: () => Promise<T>): Promise<T>;
  /** Resolves when the running piece has ended; what waits is never begun. */
  close(): Promise<void>;
}

export function createPriorityMutex(): PriorityMutex {
  const urgentWaiting: (() => void)[] = [];
  const waiting: (() => void)[] = [];
  let current: Promise<unknown> | undefined;
  let closed = false;

  async function done(): Promise<void> {
    // A run blocks the thread, so that what came meanwhile has to be let in before one chooses.
    await nextTurn();
    current = undefined;
    if (!closed) (urgentWaiting.shift() ?? waiting.shift())?.();
  }

  return {
    run(urgent, work) {
      return new Promise((resolve, reject) => {
        const begin = (): void => {
          const running = work();
          current = running;
          void running.then(resolve, reject).finally(() => void done());
        };
        if (current === undefined && !closed) begin();
        else (urgent ? urgentWaiting : waiting).push(begin);
      });
    },
    async close() {
      closed = true;
      await current?.catch(() => undefined);
    },
  };
}
