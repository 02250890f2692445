/** Stands before the calls of a port: lets them through, refuses them, or holds them back. */
export class Gate {
  /** Whether calls are refused. */
  unavailable = false;
  /** Calls refused so far. */
  refused = 0;
  /** Calls held back now. */
  waiting = 0;
  readonly #refusal: Error;
  #held: PromiseWithResolvers<void> | undefined;

  /** @param refusal what refused calls reject with */
  constructor(refusal: Error) {
    this.#refusal = refusal;
  }

  /** Holds back all calls until `release`. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async pass(): Promise<void> {
    if (this.#held !== undefined) {
      this.waiting += 1;
      await this.#held.promise;
      this.waiting -= 1;
    }
    if (!this.unavailable) return;
    this.refused += 1;
    throw this.#refusal;
  }
}

type Call = (...args: readonly never[]) => Promise<unknown>;

/** The port with these of its calls behind gates, which a call passes in order. */
export function gated<P extends object>(
  port: P,
  gates: { readonly [K in keyof P]?: readonly Gate[] },
): P {
  const calls = Object.entries<readonly Gate[] | undefined>(gates).map(([name, each = []]) => {
    const call = port[name as keyof P] as Call;
    return [
      name,
      async (...args: readonly never[]) => {
        for (const gate of each) await gate.pass();
        return call(...args);
      },
    ] as const;
  });
  return { ...port, ...Object.fromEntries(calls) };
}
