/** What the repository says about each encoder: the fields of the encoder's own `manifest.json`
 * plus `fetch`, the places that carry it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { efficientNetLites } from "./efficientnet-lite.js";
import { CONTENT_MODALITIES } from "@marquetry/contracts/modalities";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
/** Path inside the archive or repository to file name in the encoder's folder. */
const files = z.record(z.string().min(1), fileName);

const source = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("maven"), artifact: z.string().min(1), files }),
  z.strictObject({
    kind: z.literal("pypi"),
    packages: z.array(z.strictObject({ requirement: z.string().min(1), files })).min(1),
  }),
  z.strictObject({
    kind: z.literal("hub"),
    repository: z.string().min(1),
    revision: z.string().min(1),
    files,
  }),
]);

const fetchPlan = z.strictObject({
  /** Fetched when no encoder is named. */
  default: z.boolean(),
  /** Tried in this order; each must give the same bytes. Empty for an encoder without files. */
  sources: z.array(source),
  /** Another encoder to take when no source of a default one answers. It has an identity of its
   * own, since vectors of other weights must never be compared with this one's. */
  substitute: z.string().optional(),
  /** The source has a checkpoint, from which the graph is written here. */
  convert: z
    .strictObject({ network: z.enum(efficientNetLites), checkpoint: fileName, sha256 })
    .optional(),
  /** Nobody here has seen the bytes: the digest of the first fetch is recorded. */
  trustOnFirstUse: z.boolean().default(false),
});

const encoderPlan = z
  .looseObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
    modality: z.enum(CONTENT_MODALITIES),
    source: z.string().min(1),
    /** Its own graph; an encoder of video frames has that of `image`, another encoder. */
    file: fileName.optional(),
    image: z.string().optional(),
    sha256: sha256.optional(),
    tokenizer: fileName.optional(),
    tokenizerSha256: sha256.optional(),
    fetch: fetchPlan,
  })
  .refine(
    ({ file, image, fetch }) =>
      (file === undefined) === (image !== undefined) &&
      fetch.sources.length > 0 === (file !== undefined),
    "expected a file and its sources, or an image encoder whose graph it runs",
  )
  .refine(
    (plan) =>
      plan.fetch.trustOnFirstUse ||
      (plan.sha256 !== undefined && (plan.tokenizer ?? "") === "") ||
      (plan.sha256 !== undefined && plan.tokenizerSha256 !== undefined),
    "every file needs a digest",
  );

export type EncoderPlan = z.infer<typeof encoderPlan>;
export type Source = z.infer<typeof source>;

/** Beside the sources; the compiled file is two folders deeper. */
const manifestsDirectory = fileURLToPath(new URL("../../models/manifests/", import.meta.url));

/** Every encoder that the repository knows, by id. */
export async function readPlans(directory = manifestsDirectory): Promise<Map<string, EncoderPlan>> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".json")).toSorted();
  const plans = new Map<string, EncoderPlan>();
  for (const name of names) {
    const parsed = encoderPlan.safeParse(JSON.parse(await readFile(join(directory, name), "utf8")));
    if (!parsed.success) throw new Error(`${name}: ${z.prettifyError(parsed.error)}`);
    plans.set(parsed.data.id, parsed.data);
  }
  for (const { id, image, sha256 } of plans.values()) {
    if (image === undefined || plans.get(image)?.sha256 === sha256) continue;
    throw new Error(`${id}.json: expected the sha256 of the image encoder ${image}`);
  }
  return plans;
}

/** The files of an encoder's folder, each with the key of its digest in the manifest. */
export function encoderFiles(plan: EncoderPlan): { name: string; key: string; sha256?: string }[] {
  if (plan.file === undefined) return [];
  const model = { name: plan.file, key: "sha256", ...(plan.sha256 && { sha256: plan.sha256 }) };
  if (plan.tokenizer === undefined) return [model];
  const digest = plan.tokenizerSha256 && { sha256: plan.tokenizerSha256 };
  return [model, { name: plan.tokenizer, key: "tokenizerSha256", ...digest }];
}
