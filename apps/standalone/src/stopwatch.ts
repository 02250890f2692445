/** Milliseconds of the demo's steps, by name. */
export interface Stopwatch {
  lap(name: string): void;
  laps(): Record<string, number>;
}

export function startStopwatch(): Stopwatch {
  const laps: Record<string, number> = {};
  let last = performance.now();
  return {
    lap(name) {
      laps[name] = Math.round(performance.now() - last);
      last = performance.now();
    },
    laps: () => laps,
  };
}
