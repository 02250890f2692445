/** What an operator says about one pretrained encoder: a folder with `manifest.json`, the ONNX
 * graph and, for text, the tokenizer. */
import { z } from "zod";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits");

const common = {
  /** Names the encoder everywhere: in events, in bundles. Never reused for other weights. */
  id: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, "expected lower-case letters, digits, dots, dashes"),
  file: z.string().min(1),
  sha256,
  /** Where the weights came from. */
  source: z.string().min(1),
  licence: z.string().min(1),
  /** Name of the graph's output that holds the embedding. */
  output: z.string().min(1),
  dims: z.int().positive(),
  /** Whether vectors are L2-normalised after pooling. */
  normalise: z.boolean(),
};

const textManifest = z.strictObject({
  ...common,
  modality: z.literal("text"),
  /** A Hugging Face `tokenizer.json`. */
  tokenizer: z.string().min(1),
  tokenizerSha256: sha256,
  /** Longer texts are cut. */
  tokensMax: z.int().positive(),
  /** `mean` over unmasked tokens or `cls` for `[N, T, dims]` outputs; `none` for `[N, dims]`. */
  pooling: z.enum(["mean", "cls", "none"]),
  /** Graph inputs by role, int64 `[N, T]`. */
  inputs: z.strictObject({
    inputIds: z.string(),
    attentionMask: z.string(),
    tokenTypeIds: z.string().optional(),
  }),
  /** Put before every text, as e5 models want. */
  prefix: z.string().default(""),
});

const imageManifest = z.strictObject({
  ...common,
  modality: z.literal("image"),
  /** Graph input, float32. */
  input: z.string().min(1),
  layout: z.enum(["nchw", "nhwc"]),
  /** Side of the square input in pixels. */
  size: z.int().positive(),
  /** `crop`: the short side is resized to `resizeTo`, then the centre is cut out;
   * `squash`: the whole picture is resized to the square. */
  fit: z.enum(["crop", "squash"]),
  resizeTo: z.int().positive(),
  /** Per channel, on values in 0..1. */
  mean: z.tuple([z.number(), z.number(), z.number()]),
  std: z.tuple([z.number(), z.number(), z.number()]),
});

export const encoderManifest = z.discriminatedUnion("modality", [textManifest, imageManifest]);
export type EncoderManifest = z.infer<typeof encoderManifest>;
export type TextManifest = z.infer<typeof textManifest>;
export type ImageManifest = z.infer<typeof imageManifest>;
