import { badInput } from "./bad-input.js";
import { indexField, readTable } from "./table.js";
import type { TableRow } from "./table.js";
import type { Splits } from "./dataset.js";

export interface SplitFiles {
  readonly train: string;
  readonly valid: string;
  readonly test: string;
}

/**
 * Layout `pairs`: three tables `user, item` of sets without order. Each pair stands
 * once in all three files.
 * @throws MarquetryError `invalid` that names the file and the row
 */
export async function readPairs(files: SplitFiles): Promise<Splits> {
  const seen = new Map<string, string>();
  const lists: Record<keyof SplitFiles, number[][]> = { train: [], valid: [], test: [] };
  for (const part of ["train", "valid", "test"] as const) {
    for (const row of await readTable(files[part], 2, ["user", "item"])) {
      addPair(files[part], row, seen, lists[part]);
    }
  }
  const users = Math.max(lists.train.length, lists.valid.length, lists.test.length);
  const byUser = (part: number[][]): Int32Array[] =>
    Array.from({ length: users }, (_, user) => Int32Array.from(part[user] ?? []));
  return {
    train: byUser(lists.train),
    valid: byUser(lists.valid),
    test: byUser(lists.test),
    testHistory: "train",
  };
}

function addPair(
  file: string,
  { row, fields }: TableRow,
  seen: Map<string, string>,
  lists: number[][],
): void {
  const user = indexField(file, row, "user", fields[0]!);
  const item = indexField(file, row, "item", fields[1]!);
  const pair = `${user} ${item}`;
  const earlier = seen.get(pair);
  if (earlier !== undefined) {
    throw badInput(
      file,
      row,
      `expected each pair once, but user ${user} and item ${item} stand in ${earlier}`,
    );
  }
  seen.set(pair, `${file}, row ${row}`);
  (lists[user] ??= []).push(item);
}
