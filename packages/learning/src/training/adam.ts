/** Adam (Kingma and Ba, ICLR 2015, algorithm 1). */
import type { Parameters } from "./parameters.js";
import { zerosLike } from "./parameters.js";

interface AdamSettings {
  /** Step size by parameter; one that is not named stays as it is. */
  readonly rates: Readonly<Record<string, number>>;
  readonly beta1: number;
  readonly beta2: number;
}

/** What Adam remembers between steps. */
export interface AdamState {
  steps: number;
  /** First and second moments by parameter. */
  readonly means: Parameters;
  readonly squares: Parameters;
}

/** Before the first step: moments of 0. */
export function startAdam(parameters: Parameters): AdamState {
  return { steps: 0, means: zerosLike(parameters), squares: zerosLike(parameters) };
}

const EPSILON = 1e-8;

/** Changes the parameters and the state in place at every step. */
export function createAdam(
  parameters: Parameters,
  { rates, beta1, beta2 }: AdamSettings,
  state: AdamState = startAdam(parameters),
): (gradients: Parameters) => void {
  const { means, squares } = state;
  return (gradients) => {
    state.steps += 1;
    const correction1 = 1 - beta1 ** state.steps;
    const correction2 = 1 - beta2 ** state.steps;
    for (const [name, values] of Object.entries(parameters)) {
      const rate = rates[name] ?? 0;
      if (rate === 0) continue;
      const [gradient, mean, square] = [gradients[name]!, means[name]!, squares[name]!];
      for (let i = 0; i < values.length; i += 1) {
        const g = gradient[i]!;
        mean[i] = beta1 * mean[i]! + (1 - beta1) * g;
        square[i] = beta2 * square[i]! + (1 - beta2) * g * g;
        values[i]! -=
          (rate * (mean[i]! / correction1)) / (Math.sqrt(square[i]! / correction2) + EPSILON);
      }
    }
  };
}
