/** Videos that tests make with ffmpeg. */
import { execFile, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { describe } from "@jest/globals";
import { runsWith } from "@marquetry/testing/requirement";
import { temporaryFolder } from "@marquetry/testing/folders";

const run = promisify(execFile);

export function describeWithFfmpeg(name: string, body: () => void): void {
  const present = spawnSync("ffmpeg", ["-version"]).status === 0;
  const runs = runsWith(present, `${name}: there is no ffmpeg on this machine`);
  (runs ? describe : describe.skip)(name, body);
}

/** A file of what a lavfi source shows; `more` are ffmpeg's options of the output. */
export async function clip(
  source: string,
  extension: string,
  more: readonly string[] = [],
): Promise<Buffer> {
  return converted(["-f", "lavfi", "-i", source], extension, more);
}

/** A file from another file's bytes. */
export async function reencoded(
  bytes: Uint8Array,
  extension: string,
  more: readonly string[],
): Promise<Buffer> {
  await using folder = await temporaryFolder({ in: bytes });
  return await converted(["-i", join(folder.directory, "in")], extension, more);
}

async function converted(
  input: readonly string[],
  extension: string,
  more: readonly string[],
): Promise<Buffer> {
  await using folder = await temporaryFolder();
  const file = join(folder.directory, `out.${extension}`);
  await run("ffmpeg", ["-v", "error", "-nostdin", ...input, ...more, file]);
  return await readFile(file);
}

/** One colour after the other, a second each, at 25 frames a second. */
export function colours(names: readonly string[], size = "64x64"): string {
  const inputs = names.map((name, i) => `color=${name}:s=${size}:r=25:d=1[c${i}]`).join(";");
  const order = names.map((_, i) => `[c${i}]`).join("");
  return `${inputs};${order}concat=n=${names.length}`;
}
