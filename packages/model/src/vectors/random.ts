// Hoisted: looking a global up for every draw costs more than the draw in a sandboxed context (Jest).
const { imul } = Math;

/**
 * Mulberry32, a generator of 32 bits of state (Tommy Ettinger, 2017, public domain): the same
 * numbers on every platform, for projections and seeded tests. Not for secrets.
 * @param seed an integer; its low 32 bits count
 * @returns draws from [0, 1), multiples of 2^-32
 * @throws RangeError where the seed is no integer
 */
export function mulberry32(seed: number): () => number {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed: expected an integer, got ${seed}`);
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A draw close to the standard normal: the sum of twelve uniform draws less six (mean 0,
 * variance 1, by the central limit theorem). Box-Muller would be exact in law, but it needs log
 * and cos, whose last bits ECMAScript leaves to the engine; additions are the same everywhere.
 */
export function nearNormal(uniform: () => number): number {
  let sum = -6;
  for (let i = 0; i < 12; i += 1) sum += uniform();
  return sum;
}

/**
 * A vector of near-normal draws, for random directions.
 * @returns shape [dims]
 */
export function randomVector(uniform: () => number, dims: number): Float32Array {
  return Float32Array.from({ length: dims }, () => nearNormal(uniform));
}

/** Puts the values in a random order, in place (Fisher and Yates; Durstenfeld, CACM 7 (7), 1964). */
export function shuffle(values: number[], uniform: () => number): void {
  for (let i = values.length - 1; i > 0; i -= 1) {
    const j = Math.floor(uniform() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
}
