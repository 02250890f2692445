import { badInput } from "./bad-input.js";
import { readText } from "./read-file.js";

export interface TableRow {
  /** From 1, as an editor counts: the header is row 1. */
  readonly row: number;
  readonly fields: readonly string[];
}

/**
 * Reads a table of tab-separated fields.
 * @param header the names that the first line must have. Default: the file has no header.
 * @param columns fields of every row
 * @throws MarquetryError `invalid` that names the file and the row
 */
export async function readTable(
  file: string,
  columns: number,
  header?: readonly string[],
): Promise<TableRow[]> {
  const lines = (await readText(file)).split("\n").map((line) => line.replace(/\r$/, ""));
  if (lines.at(-1) === "") lines.pop();
  if (header !== undefined && lines[0] !== header.join("\t")) {
    throw badInput(file, 1, `expected the header "${header.join(", ")}", got "${lines[0] ?? ""}"`);
  }
  const first = header === undefined ? 0 : 1;
  const rows = lines.slice(first).map((line, i) => {
    const fields = line.split("\t");
    const row = first + i + 1;
    if (fields.length === columns) return { row, fields };
    throw badInput(file, row, `expected ${columns} tab-separated fields, got ${fields.length}`);
  });
  if (rows.length === 0) throw badInput(file, undefined, "expected at least one row of data");
  return rows;
}

/**
 * Reads a table whose header names its columns, in any order.
 * @throws MarquetryError `invalid` that names the file and the row
 */
export async function readNamedTable(
  file: string,
  columns: { readonly required: readonly string[]; readonly optional: readonly string[] },
): Promise<{ readonly header: readonly string[]; readonly rows: readonly TableRow[] }> {
  const [first = ""] = (await readText(file)).split("\n", 1);
  const header = first.replace(/\r$/, "").split("\t");
  const allowed = new Set([...columns.required, ...columns.optional]);
  const wrong = header.find((name, i) => !allowed.has(name) || header.indexOf(name) !== i);
  if (wrong !== undefined || columns.required.some((name) => !header.includes(name))) {
    const optional = columns.optional.map((name) => ` and perhaps "${name}"`).join("");
    throw badInput(
      file,
      1,
      `expected the columns "${columns.required.join('", "')}"${optional}, got "${header.join(", ")}"`,
    );
  }
  return { header, rows: await readTable(file, header.length, header) };
}

/**
 * A number of a user or product.
 * @throws MarquetryError `invalid` for anything but a whole number from 0
 */
export function indexField(file: string, row: number, name: string, field: string): number {
  if (/^\d{1,9}$/.test(field)) return Number(field);
  throw badInput(file, row, `expected ${name} as a whole number from 0, got "${field}"`);
}
