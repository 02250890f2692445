/** Interrupted training resumes after its last whole epoch. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matrix } from "@marquetry/model/vectors/matrix";
import { decodeSafetensors, encodeSafetensors } from "@marquetry/model/bundle/safetensors";
import type { Tensor } from "@marquetry/model/bundle/safetensors";
import { MarquetryError } from "@marquetry/runtime/errors";
import { z } from "zod";
import type { Parameters } from "./parameters.js";
import type { TrainingState } from "./epochs.js";

/** The best epoch so far. */
export interface BestEpoch {
  readonly ndcg: number;
  readonly vectors: Matrix;
  readonly parameters: Parameters;
}

export interface Progress {
  readonly state: TrainingState;
  readonly best: BestEpoch;
}

const headSchema = z.strictObject({
  /** Digest of everything that the result depends on. */
  run: z.string(),
  epoch: z.number(),
  steps: z.number(),
  ndcg: z.number(),
  tensors: z.string(),
  sha256: z.string(),
});

export interface Checkpoint {
  /** @throws MarquetryError `invalid` for that of another run, `corrupt` for files that are none or
   * whose digest is wrong */
  read(): Progress | undefined;
  write(progress: Progress): void;
}

/** The folder of the checkpoints of all runs on the same data. */
export interface CheckpointPlace {
  readonly directory: string;
  /** Digest of the interactions. */
  readonly data: string;
}

/**
 * A checkpoint is `NAME.json`, which is renamed into place last, and the tensors that it names.
 * @param name of the run within the folder
 * @param run everything that the result depends on: data and settings, as JSON
 */
export function openCheckpoint(directory: string, name: string, run: unknown): Checkpoint {
  const digest = sha256(JSON.stringify(run));
  const head = join(directory, `${name}.json`);
  mkdirSync(directory, { recursive: true });
  return {
    read() {
      const text = readIfThere(head);
      if (text === undefined) return undefined;
      const found = parsedHead(head, text.toString("utf8"));
      if (found.run !== digest) {
        throw new MarquetryError(
          "invalid",
          `${head}: expected a checkpoint of this data and these settings, got one of others`,
        );
      }
      return toProgress(found, readTensors(directory, found));
    },
    write({ state, best }) {
      const bytes = encodeSafetensors(toTensors({ state, best }));
      const tensors = `${name}.${state.epoch}.safetensors`;
      replaceFile(join(directory, tensors), bytes);
      const { steps } = state.adam;
      const content = { run: digest, epoch: state.epoch, steps, ndcg: best.ndcg, tensors };
      replaceFile(head, JSON.stringify({ ...content, sha256: sha256(bytes) }));
      const older = (file: string): boolean =>
        file.startsWith(`${name}.`) && file.endsWith(".safetensors") && file !== tensors;
      for (const file of readdirSync(directory).filter(older)) rmSync(join(directory, file));
    },
  };
}

function parsedHead(file: string, text: string): z.output<typeof headSchema> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new MarquetryError("corrupt", `${file}: expected a checkpoint in JSON`);
  }
  const { success, data, error } = headSchema.safeParse(content);
  if (success) return data;
  const { path, message } = error.issues[0]!;
  throw new MarquetryError("corrupt", `${file}: ${[...path, message].join(": ")}`);
}

function readTensors(
  directory: string,
  { tensors, sha256: expected }: z.output<typeof headSchema>,
) {
  const file = join(directory, tensors);
  const bytes = readIfThere(file);
  const digest = bytes === undefined ? "no file" : sha256(bytes);
  if (bytes !== undefined && digest === expected) return decodeSafetensors(bytes);
  throw new MarquetryError("corrupt", `${file}: expected sha256 ${expected}, got ${digest}`);
}

const GROUPS = ["parameters", "means", "squares", "best"] as const;

function toTensors({ state, best }: Progress): Map<string, Tensor> {
  const { parameters, adam } = state;
  const groups = { parameters, means: adam.means, squares: adam.squares, best: best.parameters };
  const tensors = new Map<string, Tensor>();
  for (const group of GROUPS) {
    for (const [name, data] of Object.entries(groups[group])) {
      tensors.set(`${group}/${name}`, { shape: [data.length], data });
    }
  }
  const { rows, cols, data } = best.vectors;
  return tensors.set("vectors", { shape: [rows, cols], data });
}

function toProgress(
  { epoch, steps, ndcg }: z.output<typeof headSchema>,
  tensors: ReadonlyMap<string, Tensor>,
): Progress {
  // Copies: training changes them, and the decoded ones may share one buffer.
  const group = (name: (typeof GROUPS)[number]): Parameters =>
    Object.fromEntries(
      [...tensors].flatMap(([key, { data }]) =>
        key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), data.slice()]] : [],
      ),
    );
  const { shape, data } = tensors.get("vectors")!;
  return {
    state: {
      epoch,
      parameters: group("parameters"),
      adam: { steps, means: group("means"), squares: group("squares") },
    },
    best: { ndcg, vectors: matrix(shape[0]!, shape[1]!, data.slice()), parameters: group("best") },
  };
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function replaceFile(file: string, content: string | Uint8Array): void {
  writeFileSync(`${file}.partial`, content);
  renameSync(`${file}.partial`, file);
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
