/** Work under way, by key: who asks for the same meanwhile waits for it instead of repeating it. */
import { untilAborted } from "./until-aborted.js";

export interface InFlight<Item, Result> {
  /**
   * Works on the items that nobody works on yet, in one call of `work`, and waits for the others.
   * Rejects with the signal's reason when it aborts. Work is aborted only when nobody waits for it
   * any more.
   */
  run(
    items: ReadonlyMap<string, Item>,
    work: Work<Item, Result>,
    signal?: AbortSignal,
  ): Promise<Map<string, Result>>;
}

/** Resolves with the results by key. */
export type Work<Item, Result> = (
  items: ReadonlyMap<string, Item>,
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, Result>>;

interface Flight<Result> {
  readonly results: Promise<ReadonlyMap<string, Result>>;
  waiting: number;
  abort(reason: unknown): void;
}

export function createInFlight<Item, Result>(): InFlight<Item, Result> {
  const flights = new Map<string, Flight<Result>>();

  function start(items: ReadonlyMap<string, Item>, work: Work<Item, Result>): void {
    const controller = new AbortController();
    const forget = (): void => {
      for (const key of items.keys()) if (flights.get(key) === flight) flights.delete(key);
    };
    const flight: Flight<Result> = {
      results: work(items, controller.signal).finally(forget),
      waiting: 0,
      abort(reason) {
        // Whoever comes now must not get what is being aborted.
        forget();
        controller.abort(reason);
      },
    };
    // Whoever waits learns of a failure; when nobody does, nobody needs to.
    flight.results.catch(() => undefined);
    for (const key of items.keys()) flights.set(key, flight);
  }

  return {
    async run(items, work, signal) {
      const missing = new Map([...items].filter(([key]) => !flights.has(key)));
      if (missing.size > 0) start(missing, work);
      const joined = new Set([...items.keys()].flatMap((key) => flights.get(key) ?? []));
      const results = new Map<string, Result>();
      for (const finished of await Promise.all([...joined].map((each) => join(each, signal)))) {
        for (const [key, result] of finished) if (items.has(key)) results.set(key, result);
      }
      return results;
    },
  };
}

async function join<Result>(
  flight: Flight<Result>,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, Result>> {
  flight.waiting += 1;
  if (signal === undefined) return flight.results;
  try {
    return await untilAborted(flight.results, signal);
  } finally {
    if (signal.aborted) flight.waiting -= 1;
    if (flight.waiting === 0) flight.abort(signal.reason);
  }
}
