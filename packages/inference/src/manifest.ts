/** What an operator says about one pretrained encoder: a folder with `manifest.json`, the ONNX
 * graph and, for text, the tokenizer. An encoder of video frames has `manifest.json` alone. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";

import { MarquetryError } from "@marquetry/runtime/errors";
import { z } from "zod";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits");
/** A manifest must not reach out of its own folder. */
const fileName = z.string().regex(/^[\w-][\w.-]*$/, "expected a file name without a folder");

const encoderId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]*$/, "expected lower-case letters, digits, dots, dashes");

const common = {
  /** Names the encoder everywhere: in events, in bundles. Never reused for other weights. */
  id: encoderId,
  /** Of the graph. */
  sha256,
  /** Where the weights came from. */
  source: z.string().min(1),
  licence: z.string().min(1),
  dims: z.int().positive().max(65_536),
  /** Whether vectors are L2-normalised after pooling. */
  normalise: z.boolean(),
  /** Names a space of embeddings: vectors of encoders that share one, such as the two towers of
   * CLIP, may be compared. Without it an encoder's vectors are compared with its own alone. */
  space: encoderId.optional(),
};

/** An encoder with a graph of its own. */
const withGraph = {
  ...common,
  file: fileName,
  /** Name of the graph's output that holds the embedding. */
  output: z.string().min(1),
};

/** `mean` over tokens or `cls`, the first, for `[N, T, dims]` outputs; `none` for `[N, dims]`. */
const tokenPooling = z.enum(["mean", "cls", "none"]);

const textManifest = z.strictObject({
  ...withGraph,
  modality: z.literal("text"),
  /** A Hugging Face `tokenizer.json`. */
  tokenizer: fileName,
  tokenizerSha256: sha256,
  /** Longer texts are cut. Counts the special tokens too. */
  tokensMax: z.int().positive().max(65_536),
  /** The mean is over unmasked tokens. */
  pooling: tokenPooling,
  /** Graph inputs by role, int64 `[N, T]`. */
  inputs: z.strictObject({
    inputIds: z.string().min(1),
    /** Some graphs, such as text towers of CLIP, take none and find the end by its token. */
    attentionMask: z.string().min(1).optional(),
    tokenTypeIds: z.string().min(1).optional(),
  }),
  /** Put before every text, as e5 models want. */
  prefix: z.string().max(1_000).default(""),
});

const channels = z.tuple([z.number(), z.number(), z.number()]);
const spreads = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]);

/** How a picture becomes the square that a graph sees. */
const picture = {
  /** Graph input, float32. */
  input: z.string().min(1),
  /** Side of the square input in pixels. */
  size: z.int().positive().max(4_096),
  /** `crop`: the short side is resized to `resizeTo`, then the centre is cut out;
   * `squash`: the whole picture is resized to the square (`resizeTo` is not used). */
  fit: z.enum(["crop", "squash"]),
  resizeTo: z.int().positive().max(8_192),
  /** Per channel, on values in 0..1. */
  mean: channels,
  std: spreads,
  /** Vision transformers give one vector per patch; their `cls` comes first. */
  pooling: tokenPooling.default("none"),
};

function resizeToFits(picture: { fit: string; resizeTo: number; size: number }): boolean {
  return picture.fit === "squash" || picture.resizeTo >= picture.size;
}
const RESIZE_TO_FITS = {
  path: ["resizeTo"],
  message: "expected at least the size that is cut out",
};

const imageManifest = z
  .strictObject({
    ...withGraph,
    ...picture,
    modality: z.literal("image"),
    layout: z.enum(["nchw", "nhwc"]),
  })
  .refine(resizeToFits, RESIZE_TO_FITS);

/** Frames of one clip, sampled evenly over its duration. */
const frames = z.int().positive().max(64);

/** An image encoder over the frames, pooled over time; `packages/model` has the formulas. */
const framesManifest = z.strictObject({
  ...common,
  modality: z.literal("video"),
  kind: z.literal("frames"),
  /** Id of the image encoder, whose folder stands beside this one; `sha256` is that of its graph,
   * so that this id never comes to name vectors of other weights. */
  image: encoderId,
  frames,
  pooling: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("mean") }),
    z.strictObject({
      kind: z.literal("attention"),
      temperature: z.number().positive(),
      /** A learned query of `dims` numbers; the direction of the frames' mean without it. */
      query: z.array(z.number()).optional(),
    }),
  ]),
});

/** A 3D convolution or a video transformer, which sees all frames at once. */
const clipManifest = z
  .strictObject({
    ...withGraph,
    ...picture,
    modality: z.literal("video"),
    kind: z.literal("clip"),
    frames,
    /** `[N, 3, T, H, W]` or `[N, T, 3, H, W]`. */
    layout: z.enum(["ncthw", "ntchw"]),
  })
  .refine(resizeToFits, RESIZE_TO_FITS);

const videoManifest = z.discriminatedUnion("kind", [framesManifest, clipManifest]);

export const encoderManifest = z.discriminatedUnion("modality", [
  textManifest,
  imageManifest,
  videoManifest,
]);
export type EncoderManifest = z.infer<typeof encoderManifest>;
export type TextManifest = z.infer<typeof textManifest>;
export type ImageManifest = z.infer<typeof imageManifest>;
export type FramesManifest = z.infer<typeof framesManifest>;
export type ClipManifest = z.infer<typeof clipManifest>;
/** An encoder with a graph of its own. */
export type GraphManifest = TextManifest | ImageManifest | ClipManifest;

/** Where an encoder's graph is and what goes in and comes out; differs from the encoder's own
 * manifest for an encoder of frames, which runs the graph of an image encoder. */
export interface EncoderFolder {
  readonly manifest: EncoderManifest;
  /** Folder of the graph. */
  readonly directory: string;
  readonly graph: GraphManifest;
}

/**
 * Reads the folder of one encoder and checks every file in it against its manifest.
 * @throws MarquetryError `not-found`, `corrupt` or `invalid`, as `readManifest` and `checkFiles`
 */
export async function readEncoderFolder(directory: string): Promise<EncoderFolder> {
  const manifest = await readManifest(directory);
  if (manifest.modality !== "video" || manifest.kind !== "frames") {
    await checkFiles(directory, manifest);
    return { manifest, directory, graph: manifest };
  }
  const imageDirectory = join(dirname(resolve(directory)), manifest.image);
  const image = await readManifest(imageDirectory);
  const mistakes = framesMistakes(manifest, image);
  if (image.modality !== "image" || mistakes.length > 0) {
    const message = [`${join(directory, "manifest.json")} has mistakes:`, ...mistakes];
    throw new MarquetryError("invalid", message.join("\n  "));
  }
  await checkFiles(imageDirectory, image);
  return { manifest, directory: imageDirectory, graph: image };
}

function framesMistakes(manifest: FramesManifest, image: EncoderManifest): string[] {
  if (image.modality !== "image") {
    return [`image: ${manifest.image} is an encoder of ${image.modality}`];
  }
  const mistakes: string[] = [];
  if (image.id !== manifest.image) {
    mistakes.push(`image: the folder ${manifest.image} holds the encoder ${image.id}`);
  }
  if (image.sha256 !== manifest.sha256) {
    mistakes.push(`sha256: the graph of ${image.id} has ${image.sha256}`);
  }
  if (image.dims !== manifest.dims) {
    mistakes.push(`dims: ${image.id} has ${image.dims}, but the manifest says ${manifest.dims}`);
  }
  if (image.space !== manifest.space) {
    mistakes.push(`space: ${image.id} has ${image.space ?? "none"}`);
  }
  const { pooling, dims } = manifest;
  if (pooling.kind === "attention" && (pooling.query?.length ?? dims) !== dims) {
    mistakes.push(`pooling.query: ${pooling.query?.length} numbers; expected ${dims}`);
  }
  return mistakes;
}

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
export async function checkFiles(directory: string, manifest: GraphManifest): Promise<void> {
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
