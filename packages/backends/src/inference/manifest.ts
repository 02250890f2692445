/** What an operator says about one pretrained encoder: a folder with `manifest.json`, the ONNX
 * graph and, for text, the tokenizer. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

import { MarquetryError } from "@marquetry/runtime/errors";
import { z } from "zod";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits");
/** A manifest must not reach out of its own folder. */
const fileName = z.string().regex(/^[\w-][\w.-]*$/, "expected a file name without a folder");

const common = {
  /** Names the encoder everywhere: in events, in bundles. Never reused for other weights. */
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]*$/, "expected lower-case letters, digits, dots, dashes"),
  file: fileName,
  sha256,
  /** Where the weights came from. */
  source: z.string().min(1),
  licence: z.string().min(1),
  /** Name of the graph's output that holds the embedding. */
  output: z.string().min(1),
  dims: z.int().positive().max(65_536),
  /** Whether vectors are L2-normalised after pooling. */
  normalise: z.boolean(),
};

const textManifest = z.strictObject({
  ...common,
  modality: z.literal("text"),
  /** A Hugging Face `tokenizer.json`. */
  tokenizer: fileName,
  tokenizerSha256: sha256,
  /** Longer texts are cut. Counts the special tokens too. */
  tokensMax: z.int().positive().max(65_536),
  /** `mean` over unmasked tokens or `cls` for `[N, T, dims]` outputs; `none` for `[N, dims]`. */
  pooling: z.enum(["mean", "cls", "none"]),
  /** Graph inputs by role, int64 `[N, T]`. */
  inputs: z.strictObject({
    inputIds: z.string().min(1),
    attentionMask: z.string().min(1),
    tokenTypeIds: z.string().min(1).optional(),
  }),
  /** Put before every text, as e5 models want. */
  prefix: z.string().max(1_000).default(""),
});

const channels = z.tuple([z.number(), z.number(), z.number()]);
const spreads = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]);

const imageManifest = z
  .strictObject({
    ...common,
    modality: z.literal("image"),
    /** Graph input, float32. */
    input: z.string().min(1),
    layout: z.enum(["nchw", "nhwc"]),
    /** Side of the square input in pixels. */
    size: z.int().positive().max(4_096),
    /** `crop`: the short side is resized to `resizeTo`, then the centre is cut out;
     * `squash`: the whole picture is resized to the square (`resizeTo` is not used). */
    fit: z.enum(["crop", "squash"]),
    resizeTo: z.int().positive().max(8_192),
    /** Per channel, on values in 0..1. */
    mean: channels,
    std: spreads,
  })
  .refine((image) => image.fit === "squash" || image.resizeTo >= image.size, {
    path: ["resizeTo"],
    message: "expected at least the size that is cut out",
  });

export const encoderManifest = z.discriminatedUnion("modality", [textManifest, imageManifest]);
export type EncoderManifest = z.infer<typeof encoderManifest>;
export type TextManifest = z.infer<typeof textManifest>;
export type ImageManifest = z.infer<typeof imageManifest>;

/**
 * Reads `manifest.json` of an encoder's folder.
 * @throws MarquetryError `not-found` where there is none, `invalid` with one line per mistake.
 */
export async function readManifest(directory: string): Promise<EncoderManifest> {
  const path = join(directory, "manifest.json");
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    if (cause instanceof SyntaxError) {
      throw new MarquetryError("invalid", `${path} is not JSON: ${cause.message}`, { cause });
    }
    throw new MarquetryError("not-found", `${path} cannot be read`, { cause });
  }
  const parsed = encoderManifest.safeParse(json);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map(
    (issue) => `  ${issue.path.join(".") || "(whole file)"}: ${issue.message}`,
  );
  throw new MarquetryError("invalid", [`${path} has mistakes:`, ...mistakes].join("\n"));
}

/**
 * Compares the files beside a manifest with the hashes it states.
 * @throws MarquetryError `not-found` for a missing file, `corrupt` for one with other contents.
 */
export async function checkFiles(directory: string, manifest: EncoderManifest): Promise<void> {
  const files: [string, string][] = [[manifest.file, manifest.sha256]];
  if (manifest.modality === "text") files.push([manifest.tokenizer, manifest.tokenizerSha256]);
  for (const [file, expected] of files) {
    const path = join(directory, file);
    const hash = createHash("sha256");
    try {
      await pipeline(createReadStream(path), hash);
    } catch (cause) {
      throw new MarquetryError("not-found", `${path} cannot be read`, { cause });
    }
    const actual = hash.digest("hex");
    if (actual !== expected) {
      const message = `${path} has sha256 ${actual}, but the manifest says ${expected}`;
      throw new MarquetryError("corrupt", message);
    }
  }
}
