/** A bundle's folder: the one place where services and the trainer read it from disk. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openBundle } from "@marquetry/model/bundle/codec";
import type { Bundle } from "@marquetry/model/bundle";
import { defaultBundle } from "@marquetry/model/bundle/zero-shot";

/**
 * The bundle in a folder, checked as `decodeBundle` says: digests, shapes, golden vectors.
 * @throws as `openBundle`; a file that is not there by its path
 */
export function loadBundle(directory: string): Promise<Bundle> {
  return openBundle((name) => readFile(join(directory, name)));
}

/** The bundle that `BUNDLE_DIR` names; the zero-shot bundle of the default encoders without it. */
export function bundleAt(
  directory: string | undefined,
  without: () => Promise<Bundle> = defaultBundle,
): Promise<Bundle> {
  return directory === undefined ? without() : loadBundle(directory);
}
