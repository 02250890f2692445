import { badInput } from "./bad-input.js";
import type { Splits } from "./dataset.js";
import type { SplitFiles } from "./pairs.js";
import { indexField, readTable } from "./table.js";

const HEADER = ["user_id:token", "item_id_list:token_seq", "item_id:token"];
/** RecBole cuts an `item_id_list` to its newest products. */
const LIST_MAX = 50;

interface Step {
  readonly file: string;
  readonly row: number;
  readonly user: number;
  /** The products before the target, oldest first, at most the newest 50. */
  readonly before: readonly number[];
  readonly target: number;
}

/**
 * Layout `sequences`: RecBole's `.inter` files of a leave-one-out split. Each row is a user, the
 * products before and the product that followed; the training file has a row for every prefix,
 * the validation file the last product but one and the test file the last, one row per user each.
 * @throws MarquetryError `invalid` that names the file and the row, also where a row's list
 *   differs from the history that the rows before it make
 */
export async function readSequences(files: SplitFiles): Promise<Splits> {
  const trainSteps = Map.groupBy(await readSteps(files.train), ({ user }) => user);
  const histories = new Map<number, number[]>();
  for (const [user, steps] of trainSteps) histories.set(user, trainHistory(steps));
  const train = new Map([...histories].map(([user, items]) => [user, Int32Array.from(items)]));
  const valid = followUp(await readSteps(files.valid), histories);
  const test = followUp(await readSteps(files.test), histories);
  const users = 1 + Math.max(...train.keys(), ...valid.keys(), ...test.keys());
  const byUser = (part: ReadonlyMap<number, Int32Array>): Int32Array[] =>
    Array.from({ length: users }, (_, user) => part.get(user) ?? new Int32Array());
  return {
    train: byUser(train),
    valid: byUser(valid),
    test: byUser(test),
    testHistory: "train-and-valid",
  };
}

async function readSteps(file: string): Promise<Step[]> {
  const rows = await readTable(file, 3, HEADER);
  return rows.map(({ row, fields: [user, list, target] }) => ({
    file,
    row,
    user: indexField(file, row, "user_id", user!),
    before: list!.split(" ").map((item) => indexField(file, row, "item_id_list", item)),
    target: indexField(file, row, "item_id", target!),
  }));
}

/** Joins the prefixes of one user, whether the file has the short or the long ones first. */
function trainHistory(steps: readonly Step[]): number[] {
  const longestFirst = steps[0]!.before.length > steps.at(-1)!.before.length;
  const [first, ...rest] = longestFirst ? steps.toReversed() : steps;
  const history = [...first!.before, first!.target];
  for (const step of rest) follow(step, history);
  return history;
}

/** The target of every user; the histories grow by it. */
function followUp(
  steps: readonly Step[],
  histories: Map<number, number[]>,
): Map<number, Int32Array> {
  const targets = new Map<number, Int32Array>();
  for (const step of steps) {
    if (targets.has(step.user)) {
      throw badInput(
        step.file,
        step.row,
        `expected one row per user, but user ${step.user} had one`,
      );
    }
    const history = histories.get(step.user) ?? [...step.before];
    histories.set(step.user, history);
    follow(step, history);
    targets.set(step.user, Int32Array.of(step.target));
  }
  return targets;
}

/** Checks that the step goes on from the history, and adds its target. */
function follow({ file, row, user, before, target }: Step, history: number[]): void {
  const newest = history.slice(-LIST_MAX);
  if (newest.length !== before.length || newest.some((item, i) => item !== before[i])) {
    throw badInput(
      file,
      row,
      `expected the products that user ${user} has by the rows before, ` +
        `[${newest.slice(-5).join(" ")}] at the end, got [${before.slice(-5).join(" ")}]`,
    );
  }
  history.push(target);
}
