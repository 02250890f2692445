import { readFile } from "node:fs/promises";
import { badInput } from "./bad-input.js";

/** @throws MarquetryError `invalid` that names a file that cannot be read */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    const error = badInput(file, undefined, "expected a file that can be read");
    error.cause = cause;
    throw error;
  }
}

/** As `readBytes`, in UTF-8. */
export async function readText(file: string): Promise<string> {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await readBytes(file));
}
