/** Examples for the loss: a history and the product that followed or belongs to it. */
import { mulberry32, shuffle } from "@marquetry/model/vectors/random";

/** Rows of one step. */
export interface Batch {
  /** By row, oldest first. */
  readonly histories: readonly Int32Array[];
  /** By row, the action of each place of the history. Default: all are action 0. */
  readonly actions?: readonly Int32Array[];
  /** By row. */
  readonly targets: Int32Array;
  /** Candidates of every row besides the targets. Default: none. */
  readonly drawn?: {
    readonly products: Int32Array;
    /** The probability of each product of the training part to be drawn. */
    readonly chance: number;
  };
}

export interface ExampleOptions {
  /** Ordered: every product after the first, with those before as its history. Unordered: every
   * product, with all others of the user. */
  readonly ordered: boolean;
  /** Examples of one user in one epoch, drawn anew each time. Default: no bound. */
  readonly perUserMax?: number;
  /** Rows per step. */
  readonly batchRows: number;
  /** Products drawn for each step, evenly from those of the training part. Default: 0. */
  readonly drawn?: number;
}

/** Number of examples of one user in one epoch. */
function exampleCount(history: Int32Array, { ordered, perUserMax }: ExampleOptions): number {
  const possible = history.length < 2 ? 0 : ordered ? history.length - 1 : history.length;
  return Math.min(possible, perUserMax ?? possible);
}

/**
 * All examples of one epoch in a random order that the seed fixes.
 * @param actions by user, place by place as `train`. Default: none are known.
 */
export function* epochBatches(
  train: readonly Int32Array[],
  options: ExampleOptions,
  seed: number,
  actions?: readonly Int32Array[],
): Generator<Batch> {
  const uniform = mulberry32(seed);
  const users: number[] = [];
  const places: number[] = [];
  for (const [user, history] of train.entries()) {
    const first = options.ordered ? 1 : 0;
    const possible = Array.from(
      { length: Math.max(0, history.length - first) },
      (_, i) => first + i,
    );
    const count = exampleCount(history, options);
    if (count < possible.length) shuffle(possible, uniform);
    for (const place of possible.slice(0, count)) {
      users.push(user);
      places.push(place);
    }
  }
  const order = Array.from(users.keys());
  shuffle(order, uniform);
  const drawn = options.drawn ?? 0;
  const products = drawn > 0 ? productsOf(train) : new Int32Array();
  const count = Math.min(drawn, products.length);
  for (let from = 0; from < order.length; from += options.batchRows) {
    const rows = order.slice(from, from + options.batchRows);
    const known = (lists: readonly Int32Array[]): Int32Array[] =>
      rows.map((row) => {
        const list = lists[users[row]!]!;
        const place = places[row]!;
        return options.ordered ? list.subarray(0, place) : list.filter((_, i) => i !== place);
      });
    yield {
      histories: known(train),
      ...(actions && { actions: known(actions) }),
      targets: Int32Array.from(rows, (row) => train[users[row]!]![places[row]!]!),
      ...(count > 0 && {
        drawn: { products: drawFirst(products, count, uniform), chance: count / products.length },
      }),
    };
  }
}

/** In rising order. */
function productsOf(train: readonly Int32Array[]): Int32Array {
  const products = new Set<number>();
  for (const history of train) for (const item of history) products.add(item);
  return Int32Array.from(products).sort();
}

/** So many values without repetition, all equally likely; reorders `values`. */
function drawFirst(values: Int32Array, count: number, uniform: () => number): Int32Array {
  for (let i = 0; i < count; i += 1) {
    const j = i + Math.floor(uniform() * (values.length - i));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values.slice(0, count);
}
