import { MarquetryError } from "@marquetry/runtime/errors";

/**
 * A mistake in a dataset.
 * @param row the first line is row 1; undefined for the file as a whole
 * @param message what was expected there, and what was found
 */
export function badInput(file: string, row: number | undefined, message: string): MarquetryError {
  const place = row === undefined ? file : `${file}, row ${row}`;
  return new MarquetryError("invalid", `${place}: ${message}`, { field: file });
}
