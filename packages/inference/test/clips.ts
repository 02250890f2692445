/** Videos that tests make with ffmpeg. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { describe } from "@jest/globals";

const run = promisify(execFile);

/** Skips loudly where there is no ffmpeg, except in CI, where its absence is a failure. */
export function describeWithFfmpeg(name: string, body: () => void): void {
  const there = spawnSync("ffmpeg", ["-version"]).status === 0;
  if (there || process.env["CI"] !== undefined) return describe(name, body);
  console.warn(`SKIPPED: ${name}: there is no ffmpeg on this machine`);
  describe.skip(name, body);
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
  const directory = await mkdtemp(join(tmpdir(), "marquetry-clip-"));
  try {
    await writeFile(join(directory, "in"), bytes);
    return await converted(["-i", join(directory, "in")], extension, more);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function converted(
  input: readonly string[],
  extension: string,
  more: readonly string[],
): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "marquetry-clip-"));
  try {
    const file = join(directory, `out.${extension}`);
    await run("ffmpeg", ["-v", "error", "-nostdin", ...input, ...more, file]);
    return await readFile(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** One colour after the other, a second each, at 25 frames a second. */
export function colours(names: readonly string[], size = "64x64"): string {
  const inputs = names.map((name, i) => `color=${name}:s=${size}:r=25:d=1[c${i}]`).join(";");
  const order = names.map((_, i) => `[c${i}]`).join("");
  return `${inputs};${order}concat=n=${names.length}`;
}
