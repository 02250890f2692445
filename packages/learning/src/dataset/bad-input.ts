import { MarquetryError } from "@marquetry/runtime/errors";

/** A mistake in a dataset: the file, the row where there is one (the first line is row 1), and what
 * was expected there. */
export function badInput(file: string, row: number | undefined, message: string): MarquetryError {
  const place = row === undefined ? file : `${file}, row ${row}`;
  return new MarquetryError("invalid", `${place}: ${message}`, { field: file });
}
