/** Minimising a smooth function of few variables. */
import { inner } from "../linear-algebra/inner.js";

export interface Evaluated {
  readonly value: number;
  readonly gradient: Float64Array;
}

interface Minimum {
  readonly at: Float64Array;
  readonly value: number;
  readonly steps: number;
}

const STEPS_MAX = 200;
/** Pairs of steps and gradient differences that stand for the curvature. */
const MEMORY = 10;
/** Armijo's condition: the share of the promised decrease that a step must bring. */
const DECREASE = 1e-4;
const SHORTEST_STEP = 1e-12;
const RELATIVE_TOLERANCE = 1e-10;

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

/**
 * L-BFGS with the two-loop recursion and halving steps (Nocedal and Wright, Numerical Optimization,
 * algorithms 7.4, 7.5 and 3.1). Ends where a step changes the value by less than 1e-10 of it.
 * @param evaluate value and gradient
 */
export function minimise(evaluate: (at: Float64Array) => Evaluated, start: Float64Array): Minimum {
  let at: Float64Array = start.slice();
  let now = evaluate(at);
  const pairs: Pair[] = [];
  for (let steps = 1; steps <= STEPS_MAX; steps += 1) {
    const direction = directionOf(now.gradient, pairs);
    const next = lineSearch(evaluate, at, now, direction);
    if (next === undefined) return { at, value: now.value, steps: steps - 1 };
    remember(pairs, at, now.gradient, next);
    const settled = now.value - next.value <= RELATIVE_TOLERANCE * Math.abs(now.value);
    ({ at } = next);
    now = next;
    if (settled) return { at, value: now.value, steps };
  }
  return { at, value: now.value, steps: STEPS_MAX };
}

/** -H g, H the approximated inverse of the second derivatives. */
function directionOf(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.slice();
  const alphas = new Float64Array(pairs.length);
  for (let i = pairs.length - 1; i >= 0; i -= 1) {
    const { step, change, rho } = pairs[i]!;
    alphas[i] = rho * inner(step, q);
    add(q, -alphas[i]!, change);
  }
  const newest = pairs.at(-1);
  if (newest !== undefined) {
    const scale = 1 / (newest.rho * inner(newest.change, newest.change));
    for (let j = 0; j < q.length; j += 1) q[j]! *= scale;
  }
  for (const [i, { step, change, rho }] of pairs.entries()) {
    add(q, alphas[i]! - rho * inner(change, q), step);
  }
  return q.map((x) => -x);
}

function lineSearch(
  evaluate: (at: Float64Array) => Evaluated,
  at: Float64Array,
  now: Evaluated,
  direction: Float64Array,
): (Evaluated & { readonly at: Float64Array }) | undefined {
  const slope = inner(now.gradient, direction);
  for (let length = 1; length >= SHORTEST_STEP; length /= 2) {
    const next = at.map((x, j) => x + length * direction[j]!);
    const evaluated = evaluate(next);
    if (evaluated.value <= now.value + DECREASE * length * slope) return { ...evaluated, at: next };
  }
  return undefined;
}

function remember(
  pairs: Pair[],
  at: Float64Array,
  gradient: Float64Array,
  next: Evaluated & { readonly at: Float64Array },
): void {
  const step = next.at.map((x, j) => x - at[j]!);
  const change = next.gradient.map((x, j) => x - gradient[j]!);
  const curvature = inner(step, change);
  // Only a pair of positive curvature keeps the direction one of descent.
  if (curvature <= 0) return;
  pairs.push({ step, change, rho: 1 / curvature });
  if (pairs.length > MEMORY) pairs.shift();
}

function add(to: Float64Array, factor: number, other: Float64Array): void {
  for (let j = 0; j < to.length; j += 1) to[j]! += factor * other[j]!;
}
