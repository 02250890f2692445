/** Brings the pretrained encoders to a machine: fetched, checked, converted where that is needed,
 * and put in place whole or not at all. */
import { createHash, randomUUID } from "node:crypto";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { efficientNetLiteToOnnx } from "./efficientnet-lite.js";
import { encoderFiles, readPlans } from "./manifests.js";
import type { EncoderPlan, Source } from "./manifests.js";
import { describeSource, fetchSource, findPip, machineClients } from "./sources.js";
import type { Clients, SourceContext } from "./sources.js";
import { readCheckpoint } from "./unpickle.js";
import type { ContentModality } from "@marquetry/contracts/modalities";

export interface FetchedEncoder {
  readonly id: string;
  readonly modality: ContentModality;
  /** Holds `manifest.json`, the graph and, for text, the tokenizer. */
  readonly directory: string;
  /** It was here already, with the right bytes. */
  readonly cached: boolean;
  /** Where it came from. */
  readonly source: string;
}

export interface FetchOptions {
  /** Gets one folder per encoder, named after its id. */
  readonly directory: string;
  /** Ids to fetch. They have no substitutes. Default: the default encoders, which have. */
  readonly only?: readonly string[];
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal;
  /** How sources are reached. Default: the machine's own clients. */
  readonly clients?: Clients;
  /** Folder of encoder descriptions. Default: the repository's. */
  readonly manifests?: string;
}

interface Job {
  readonly directory: string;
  readonly clients: Clients;
  readonly pip: () => Promise<readonly string[]>;
  readonly report: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

const manifestFile = "manifest.json";
const partialPrefix = ".partial-";
const partialAgeMsMax = 24 * 3_600_000;

/**
 * Makes sure that the default encoders, or those of `only`, are in the directory. Safe to run in
 * several processes at once: each assembles its own folder, and the first to finish wins.
 *
 * @returns one entry per encoder, in the order of the request. Where a default encoder is out of reach,
 * its substitute is returned under the substitute's own id.
 * @throws Error that names every source tried and why it failed.
 */
export async function fetchEncoders(options: FetchOptions): Promise<FetchedEncoder[]> {
  const plans = await readPlans(options.manifests);
  const chosen = withImageEncoders(choose(plans, options.only), plans);
  await mkdir(options.directory, { recursive: true });
  await sweepPartials(options.directory);
  const { directory, report, signal } = options;
  const clients = options.clients ?? (await machineClients());
  let pip: Promise<readonly string[]> | undefined;
  const job: Job = {
    directory,
    clients,
    pip: () => (pip ??= findPip({ clients, directory, report, signal })),
    report,
    signal,
  };
  const settled = await Promise.allSettled(
    chosen.map((plan) => {
      const { substitute } = plan.fetch;
      const other = options.only === undefined && substitute ? plans.get(substitute) : undefined;
      return provide(plan, other, job);
    }),
  );
  signal?.throwIfAborted();
  const failures = settled.filter((result) => result.status === "rejected");
  if (failures.length > 0) {
    throw new Error(failures.map(({ reason }) => describe(reason)).join("\n"));
  }
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

function choose(plans: Map<string, EncoderPlan>, only: readonly string[] | undefined) {
  if (only === undefined) return [...plans.values()].filter((plan) => plan.fetch.default);
  return [...new Set(only)].map((id) => {
    const plan = plans.get(id);
    if (plan !== undefined) return plan;
    throw new Error(`no encoder ${id}; there are ${[...plans.keys()].join(", ")}`);
  });
}

/** Encoders of video frames bring the image encoder whose graph they run. */
function withImageEncoders(
  chosen: readonly EncoderPlan[],
  plans: Map<string, EncoderPlan>,
): EncoderPlan[] {
  const images = chosen.flatMap(({ image }) => plans.get(image ?? "") ?? []);
  return [...new Set([...chosen, ...images])];
}

/** The encoder or, when none of its sources answers, its substitute. */
async function provide(
  plan: EncoderPlan,
  substitute: EncoderPlan | undefined,
  job: Job,
): Promise<FetchedEncoder> {
  for (const candidate of substitute === undefined ? [plan] : [plan, substitute]) {
    if (!(await isComplete(candidate, join(job.directory, candidate.id)))) continue;
    job.report(`${candidate.id}: already there`);
    return fetched(candidate, job, true, candidate.source);
  }
  const tried: string[] = [];
  for (const candidate of substitute === undefined ? [plan] : [plan, substitute]) {
    if (candidate !== plan) {
      job.report(`${plan.id}: no source answers; taking ${candidate.id}, a model of its own`);
    }
    for (const source of sourcesOf(candidate)) {
      try {
        await assemble(candidate, source, job);
        return fetched(candidate, job, false, sourceName(candidate, source));
      } catch (error) {
        job.signal?.throwIfAborted();
        const line = `${sourceName(candidate, source)}: ${describe(error)}`;
        job.report(`${candidate.id}: ${line}`);
        tried.push(`  ${line}`);
      }
    }
  }
  throw new Error(`encoder ${plan.id} is out of reach; tried\n${tried.join("\n")}`);
}

/** An encoder without files is put in place from its description. */
function sourcesOf({ file, fetch }: EncoderPlan): readonly (Source | undefined)[] {
  return file === undefined ? [undefined] : fetch.sources;
}

function sourceName(plan: EncoderPlan, source: Source | undefined): string {
  return source === undefined ? `this repository, for ${plan.image}` : describeSource(source);
}

function fetched(plan: EncoderPlan, job: Job, cached: boolean, source: string): FetchedEncoder {
  const { id, modality } = plan;
  return { id, modality, directory: join(job.directory, id), cached, source };
}

/** Builds the encoder's folder beside its place and moves it there in one step. */
async function assemble(plan: EncoderPlan, source: Source | undefined, job: Job): Promise<void> {
  const started = performance.now();
  job.report(`${plan.id}: fetching from ${sourceName(plan, source)}`);
  const partial = await mkdtemp(join(job.directory, `${partialPrefix}${plan.id}-`));
  try {
    const context: SourceContext = { ...job, directory: partial };
    if (source !== undefined) await fetchSource(source, context);
    const fetchSeconds = seconds(started);
    if (plan.fetch.convert) await convert(plan, partial, job.report);
    const manifest = await writeManifest(plan, partial);
    // Temporary folders are private; an encoder is for every user, such as a container's.
    await chmod(partial, 0o755);
    await moveIntoPlace(plan, partial, join(job.directory, plan.id));
    const megabytes = (manifest.bytes / 1e6).toFixed(1);
    job.report(`${plan.id}: ${megabytes} MB fetched in ${fetchSeconds} s and checked`);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function convert(plan: EncoderPlan, folder: string, report: Job["report"]): Promise<void> {
  const step = plan.fetch.convert;
  if (step === undefined) return;
  const started = performance.now();
  const checkpoint = await readFile(join(folder, step.checkpoint));
  // Checked before anything in it is interpreted.
  checkDigest(step.checkpoint, digestOf(checkpoint), step.sha256);
  const graph = efficientNetLiteToOnnx(step.network, readCheckpoint(checkpoint));
  await writeFile(join(folder, plan.file ?? "model.onnx"), graph);
  await rm(join(folder, step.checkpoint));
  report(`${plan.id}: converted to ONNX in ${seconds(started)} s`);
}

/** Checks each file against its digest, or records it where first use is trusted. */
async function writeManifest(plan: EncoderPlan, folder: string): Promise<{ bytes: number }> {
  const { fetch: _, ...fields } = plan;
  const digests: Record<string, string> = {};
  let bytes = 0;
  for (const file of encoderFiles(plan)) {
    const content = await readFile(join(folder, file.name));
    digests[file.key] = digestOf(content);
    if (file.sha256) checkDigest(file.name, digests[file.key], file.sha256);
    bytes += content.length;
  }
  const manifest = { ...fields, ...digests };
  await writeFile(join(folder, manifestFile), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return { bytes };
}

/** Whether the folder holds this encoder as its description is now, every byte of it. */
async function isComplete(plan: EncoderPlan, folder: string): Promise<boolean> {
  const text = await readFile(join(folder, manifestFile), "utf8").catch(() => undefined);
  if (text === undefined) return false;
  const manifest = parseObject(text);
  const { fetch: _, ...fields } = plan;
  for (const [key, value] of Object.entries(fields)) {
    if (JSON.stringify(manifest[key]) !== JSON.stringify(value)) return false;
  }
  for (const { name, key } of encoderFiles(plan)) {
    const content = await readFile(join(folder, name)).catch(() => undefined);
    if (content === undefined || digestOf(content) !== manifest[key]) return false;
  }
  return true;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** A rename onto a folder with content fails, so another process's work is never overwritten
 * unseen: it stays when it is right and moved aside when it is stale. */
async function moveIntoPlace(plan: EncoderPlan, partial: string, place: string): Promise<void> {
  const attemptsMax = 5;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await rename(partial, place);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const occupied = code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR";
      if (!occupied || attempt === attemptsMax) throw error;
    }
    if (await isComplete(plan, place)) return;
    const aside = join(place, "..", `${partialPrefix}${plan.id}-${randomUUID()}`);
    await rename(place, aside).catch(() => undefined);
    await rm(aside, { recursive: true, force: true });
  }
}

/** Removes what a killed process did not remove; a live one is never a day old. */
async function sweepPartials(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(partialPrefix)) continue;
    const path = join(directory, name);
    const modified = await stat(path).catch(() => undefined);
    if (modified === undefined || Date.now() - modified.mtimeMs < partialAgeMsMax) continue;
    await rm(path, { recursive: true, force: true });
  }
}

function checkDigest(name: string, actual: string | undefined, expected: string): void {
  if (actual !== expected) throw new Error(`${name} has sha256 ${actual}, expected ${expected}`);
}

function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause === undefined
    ? thrown.message
    : `${thrown.message} (${describe(thrown.cause)})`;
}
