/** A trained bundle on disk: what services load, and what is published once. */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { loadBundle } from "@marquetry/backends/bundle/load";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { BUNDLE_FILES } from "@marquetry/model/bundle/codec";
import type { Bundle } from "@marquetry/model/bundle";
import type { EncodedBundle } from "@marquetry/model/bundle/codec";
import { sha256Hex } from "@marquetry/model/bundle/digest";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { decodeSafetensors, encodeSafetensors } from "@marquetry/model/bundle/safetensors";
import { MarquetryError } from "@marquetry/runtime/errors";
import { z } from "zod";
import { badInput } from "../dataset/bad-input.js";
import type { Prepared } from "../representation/prepare.js";
import type { CollaborativeModality } from "./distil.js";

/** Beside the bundle's own files. */
const FILES = {
  index: "behaviour.json",
  vectors: "behaviour.safetensors",
  report: "report.json",
} as const;

const indexSchema = z.strictObject({
  bundle: z.string(),
  encoder: z.string(),
  sha256: z.string(),
  /** Product ids in the order of the vectors' rows. */
  products: z.array(z.string()),
});

/** @throws MarquetryError `invalid` where something stands there already: bundles never change */
export async function assertNothingAt(directory: string): Promise<void> {
  try {
    await stat(directory);
  } catch {
    return;
  }
  throw badInput(
    directory,
    undefined,
    "expected a path where nothing is yet; bundles never change",
  );
}

/** Between the bundle's name and the number of the process that writes it. */
const PARTIAL = ".partial-";

/** Removes folders of processes that were killed while they wrote this bundle. Such a folder has no
 * manifest, which is written last, so that nothing loads it; but it takes space. */
async function removePartial(directory: string): Promise<void> {
  const parent = dirname(directory);
  const prefix = `${basename(directory)}${PARTIAL}`;
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    if (runs(Number(name.slice(prefix.length)))) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Writes all files beside the place and renames at the end, so that there is a whole bundle or none.
 * @param report for people: data, settings, metrics
 */
export async function writeBundleFolder(
  directory: string,
  { bundle, encoded, collaborative, itemIds }: TrainedBundle,
  report: unknown,
): Promise<void> {
  await assertNothingAt(directory);
  await removePartial(directory);
  const { vectors, items } = collaborative;
  const tensors = encodeSafetensors(
    new Map([["vectors", { shape: [vectors.rows, vectors.cols], data: vectors.data }]]),
  );
  const index: z.output<typeof indexSchema> = {
    bundle: bundle.id,
    encoder: bundle.encoders[COLLABORATIVE]!.encoder,
    sha256: await sha256Hex(tensors),
    products: Array.from(items, (item) => itemIds[item]!),
  };
  const partial = `${directory}${PARTIAL}${process.pid}`;
  try {
    await mkdir(dirname(directory), { recursive: true });
    await mkdir(partial);
    await writeFile(join(partial, BUNDLE_FILES.weights), encoded.weights);
    const { interests } = encoded;
    if (interests) await writeFile(join(partial, BUNDLE_FILES.interests), interests);
    await writeFile(join(partial, FILES.vectors), tensors);
    await writeFile(join(partial, FILES.index), `${JSON.stringify(index)}\n`);
    await writeFile(join(partial, FILES.report), `${JSON.stringify(report, undefined, 2)}\n`);
    await writeFile(join(partial, BUNDLE_FILES.manifest), encoded.manifest);
    await rename(partial, directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

/** The collaborative vectors of a folder, by product id. */
export interface CollaborativeFiles {
  readonly bundle: Bundle;
  readonly products: readonly string[];
  /** One row of length 1 per product. */
  readonly vectors: Matrix;
}

export interface BundleFolder {
  readonly bundle: Bundle;
  /** Ids of the dataset's products, by number. */
  readonly itemIds: readonly string[];
  /** Numbers are those of `itemIds`. */
  readonly collaborative: CollaborativeModality;
}

/** A bundle's folder before it is written. */
export interface TrainedBundle extends BundleFolder {
  readonly encoded: EncodedBundle;
}

/**
 * Reads a trained bundle with its collaborative vectors.
 * @throws MarquetryError `corrupt` for a wrong digest, `invalid` for vectors of another bundle; as
 *   `openBundle`
 */
export async function readCollaborativeFiles(directory: string): Promise<CollaborativeFiles> {
  const bundle = await loadBundle(directory);
  const file = join(directory, FILES.index);
  const index = parseIndex(await readFile(file, "utf8"), file);
  if (index.bundle !== bundle.id) {
    throw badInput(
      file,
      undefined,
      `expected vectors of ${bundle.id}, got those of ${index.bundle}`,
    );
  }
  const bytes = await readFile(join(directory, FILES.vectors));
  const digest = await sha256Hex(bytes);
  if (digest !== index.sha256) {
    const message = `${join(directory, FILES.vectors)}: expected sha256 ${index.sha256}, got ${digest}`;
    throw new MarquetryError("corrupt", message);
  }
  const { shape, data } = decodeSafetensors(bytes).get("vectors")!;
  const vectors = matrix(shape[0]!, shape[1]!, data);
  const rows = index.products.length;
  const dims = bundle.encoders[COLLABORATIVE]?.dims ?? 0;
  if (vectors.rows !== rows || vectors.cols !== dims) {
    const got = `${vectors.rows} of ${vectors.cols}`;
    throw badInput(file, undefined, `expected ${rows} vectors of ${dims} dimensions, got ${got}`);
  }
  return { bundle, products: index.products, vectors };
}

function parseIndex(text: string, file: string): z.output<typeof indexSchema> {
  try {
    return indexSchema.parse(JSON.parse(text));
  } catch (cause) {
    const error = badInput(file, undefined, "expected what npm run train wrote");
    error.cause = cause;
    throw error;
  }
}

/**
 * Reads a trained bundle against a dataset's products.
 * @throws MarquetryError `invalid` for a product that is not known; as `readCollaborativeFiles`
 */
export async function readBundleFolder(
  directory: string,
  itemIds: readonly string[],
): Promise<BundleFolder> {
  const { bundle, products, vectors } = await readCollaborativeFiles(directory);
  const file = join(directory, FILES.index);
  const numberOf = new Map(itemIds.map((id, i) => [id, i]));
  const items = Int32Array.from(products, (id) => {
    const item = numberOf.get(id);
    if (item !== undefined) return item;
    throw badInput(file, undefined, `expected products of the dataset, got "${id}"`);
  });
  const { projection } = bundle.fusion.modalities.find(({ name }) => name === COLLABORATIVE)!;
  return {
    bundle,
    itemIds,
    collaborative: { items, vectors, projection: projection! },
  };
}

/**
 * As `readBundleFolder`, of a bundle for the encoders of the data.
 * @throws MarquetryError `invalid` that names the manifest, the modality and both sides
 */
export async function readFittingBundle(
  directory: string,
  { dataset, encoders }: Pick<Prepared, "dataset" | "encoders">,
): Promise<BundleFolder> {
  const folder = await readBundleFolder(directory, dataset.itemIds);
  for (const [modality, { encoder, dims }] of Object.entries(folder.bundle.encoders)) {
    if (modality === COLLABORATIVE) continue;
    const found = encoders[modality];
    if (found?.encoder === encoder && found.dims === dims) continue;
    const got = found === undefined ? "none" : `${found.encoder} with ${found.dims} dimensions`;
    throw badInput(
      join(directory, BUNDLE_FILES.manifest),
      undefined,
      `modality ${modality}: expected ${encoder} with ${dims} dimensions of the dataset, got ${got}`,
    );
  }
  return folder;
}
