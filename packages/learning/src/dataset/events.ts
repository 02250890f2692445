import { badInput } from "./bad-input.js";
import type { Interaction, SplitRule } from "./make-splits.js";
import { readNamedTable } from "./table.js";

interface Events {
  readonly userIds: readonly string[];
  /** Product ids by number. Default: in the order of the table. */
  readonly itemIds: readonly string[];
  /** Names of actions by number; empty where the table has none. */
  readonly actions: readonly string[];
  readonly timed: boolean;
  /** By user, oldest first. */
  readonly byUser: readonly (readonly Interaction[])[];
}

const COLUMNS = { required: ["user", "item"], optional: ["timestamp", "behaviour"] };

/**
 * Layout `events`: one table with the columns `user`, `item` and, where there are any, `timestamp`
 * (a number, in any unit) and `behaviour` (a name), in any order of columns. Ids are any text. A
 * user's rows are in order of time; different users' rows may be mixed. A row that says the same as
 * an earlier one in every column is a mistake; the same product at another time is not.
 * @param itemIds product ids by number, where a table names them. Default: those of this table.
 * @throws MarquetryError `invalid` that names the file and the row
 */
export async function readEvents(
  file: string,
  split: SplitRule,
  itemIds?: readonly string[],
): Promise<Events> {
  const { header, rows } = await readNamedTable(file, COLUMNS);
  const timed = header.includes("timestamp");
  if (!timed && (split.kind === "per-user-time" || split.kind === "global-time")) {
    throw badInput(file, 1, `expected a column "timestamp", which the split ${split.kind} needs`);
  }
  const users = numbering();
  const items = numbering(itemIds);
  const actions = numbering();
  const byUser: { event: Interaction; row: number }[][] = [];
  const seen = new Map<string, number>();
  for (const { row, fields } of rows) {
    const content = fields.join("\t");
    const earlier = seen.get(content);
    if (earlier !== undefined) {
      throw badInput(file, row, `expected each interaction once, but row ${earlier} says the same`);
    }
    seen.set(content, row);
    const field = (name: string): string | undefined => fields[header.indexOf(name)];
    const list = (byUser[users.add(nonEmpty(file, row, "user", field("user")))] ??= []);
    const event = {
      item: knownItem(file, row, items, field("item"), itemIds !== undefined),
      action: header.includes("behaviour")
        ? actions.add(nonEmpty(file, row, "behaviour", field("behaviour")))
        : 0,
      at: timed ? timeOf(file, row, field("timestamp")!) : row,
    };
    const before = list.at(-1);
    if (before !== undefined && before.event.at > event.at) {
      throw badInput(
        file,
        row,
        `expected the rows of user ${field("user")} in order of time, but ${event.at} comes ` +
          `after ${before.event.at} in row ${before.row}`,
      );
    }
    list.push({ event, row });
  }
  return {
    userIds: users.names,
    itemIds: items.names,
    actions: actions.names,
    timed,
    byUser: byUser.map((list) => list.map(({ event }) => event)),
  };
}

interface Numbering {
  readonly names: string[];
  readonly find: (name: string) => number | undefined;
  readonly add: (name: string) => number;
}

function numbering(names: readonly string[] = []): Numbering {
  const all = [...names];
  const numberOf = new Map(all.map((name, i) => [name, i]));
  return {
    names: all,
    find: (name) => numberOf.get(name),
    add: (name) => {
      const known = numberOf.get(name);
      if (known !== undefined) return known;
      numberOf.set(name, all.length);
      return all.push(name) - 1;
    },
  };
}

function knownItem(
  file: string,
  row: number,
  items: Numbering,
  field: string | undefined,
  named: boolean,
): number {
  const id = nonEmpty(file, row, "item", field);
  if (!named) return items.add(id);
  const item = items.find(id);
  if (item !== undefined) return item;
  throw badInput(file, row, `expected a product of the table of items, got "${id}"`);
}

function nonEmpty(file: string, row: number, name: string, field = ""): string {
  if (field !== "") return field;
  throw badInput(file, row, `expected ${name}, got nothing`);
}

function timeOf(file: string, row: number, field: string): number {
  const at = field.trim() === "" ? Number.NaN : Number(field);
  if (Number.isFinite(at)) return at;
  throw badInput(file, row, `expected timestamp as a number, got "${field}"`);
}
