/** The encoders that an operator put into one folder: any number per modality. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";

import { describeError, MarquetryError } from "@marquetry/runtime/errors";

import { readManifest } from "./manifest.js";
import type { EncoderManifest } from "./manifest.js";

const ENCODERS_MAX = 1_000;

/** A folder that holds a manifest, and what is wrong with it if it cannot be used. */
export type RegisteredEncoder =
  | { readonly id: string; readonly manifest: EncoderManifest }
  | { readonly id: string; readonly mistake: string };

/**
 * Every encoder of a folder by its own folder's name, sorted. Manifests are read, graphs are not:
 * that is done on start, for those in use. Hidden folders and files are no encoders.
 * @throws MarquetryError `not-found` where the folder cannot be read
 */
export async function listEncoders(directory: string): Promise<RegisteredEncoder[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw new MarquetryError("not-found", `${directory} cannot be read`, { cause });
  });
  const names = entries
    .filter((entry) => !entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => entry.name)
    .toSorted()
    .slice(0, ENCODERS_MAX);
  return Promise.all(names.map((name) => registered(directory, name)));
}

async function registered(directory: string, id: string): Promise<RegisteredEncoder> {
  try {
    const manifest = await readManifest(join(directory, id));
    const mistake = nameMistake(join(directory, id), manifest);
    return mistake === undefined ? { id, manifest } : { id, mistake };
  } catch (thrown) {
    return { id, mistake: describeError(thrown) };
  }
}

/** An encoder is chosen by its folder and known by its id, so the two must agree. */
export function nameMistake(directory: string, { id }: EncoderManifest): string | undefined {
  const name = basename(directory);
  return name === id ? undefined : `the folder ${name} holds the encoder ${id}`;
}

/**
 * What does not fit between encoders that are in use at once, one line each: those of one space
 * must have the same dimensions and agree on normalisation, or their vectors do not compare.
 */
export function spaceMistakes(manifests: readonly EncoderManifest[]): string[] {
  const mistakes: string[] = [];
  const firsts = new Map<string, EncoderManifest>();
  for (const manifest of manifests) {
    if (manifest.space === undefined) continue;
    const first = firsts.get(manifest.space);
    if (first === undefined) firsts.set(manifest.space, manifest);
    else if (first.dims !== manifest.dims) {
      mistakes.push(
        `space ${manifest.space}: ${first.id} has ${first.dims} dims and ${manifest.id} ${manifest.dims}`,
      );
    } else if (first.normalise !== manifest.normalise) {
      const [one, other] = first.normalise ? [first, manifest] : [manifest, first];
      mistakes.push(`space ${manifest.space}: ${one.id} is normalised and ${other.id} is not`);
    }
  }
  return mistakes;
}
