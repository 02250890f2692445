/** The encoders in use: which, and whether they fit the bundle, one another and this machine. */
import { join } from "node:path";
import { loadBundle } from "@marquetry/backends/bundle/load";
import { openEncoder } from "@marquetry/inference/open-encoder";
import { listEncoders, spaceMistakes } from "@marquetry/inference/registry";
import { checkVideoDecoder } from "@marquetry/inference/video/ffmpeg";
import type { Encoder } from "@marquetry/inference/encoder";
import type { EncoderReference } from "@marquetry/model/bundle";
import { DEFAULT_ENCODERS } from "@marquetry/model/bundle/zero-shot";
import { ConfigError } from "@marquetry/runtime/config";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { EncoderConfig } from "./config.js";
import { CONTENT_MODALITIES } from "@marquetry/contracts/modalities";
import type { ContentModality } from "@marquetry/contracts/modalities";

/** The encoders by modality, each in worker threads of its own. */
export async function openEncoders(
  config: EncoderConfig,
  { resource }: Pick<ServiceContext, "resource">,
): Promise<ReadonlyMap<ContentModality, Encoder>> {
  const references = await referencesOf(config);
  const ids = {
    text: config.ENCODER_TEXT,
    image: config.ENCODER_IMAGE,
    video: config.ENCODER_VIDEO,
  };
  const encoders = new Map<ContentModality, Encoder>();
  for (const modality of CONTENT_MODALITIES) {
    const variable = `ENCODER_${modality.toUpperCase()}`;
    const reference = references?.[modality];
    const chosen = ids[modality] ?? reference?.encoder ?? fallbackOf(modality, references);
    const inUse = config.ENCODER_MODALITIES?.includes(modality) ?? chosen !== undefined;
    if (!inUse) continue;
    if (chosen === undefined) {
      throw new ConfigError(`${variable}: ENCODER_MODALITIES asks for an encoder of ${modality}`);
    }
    if (reference !== undefined && chosen !== reference.encoder) {
      throw new ConfigError(`${variable}: the bundle names ${reference.encoder} (got "${chosen}")`);
    }
    const encoder = resource(`${modality} encoder`, await openRegistered(config, chosen));
    if (encoder.manifest.modality !== modality) {
      throw new ConfigError(
        `${variable}: expected an encoder of ${modality} (got "${chosen}", which is one of ${encoder.manifest.modality})`,
      );
    }
    if (reference !== undefined) assertFits(encoder, reference);
    encoders.set(modality, encoder);
  }
  const mistakes = spaceMistakes([...encoders.values()].map(({ manifest }) => manifest));
  if (mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));
  return encoders;
}

/** What the bundle says, where there is one. */
async function referencesOf(
  config: EncoderConfig,
): Promise<Readonly<Record<string, EncoderReference>> | undefined> {
  const { BUNDLE_DIR: directory } = config;
  if (directory === undefined) return undefined;
  return (await loadBundle(directory)).encoders;
}

function fallbackOf(modality: ContentModality, references: object | undefined): string | undefined {
  if (references !== undefined || modality === "video") return undefined;
  return DEFAULT_ENCODERS[modality].encoder;
}

async function openRegistered(config: EncoderConfig, id: string): Promise<Encoder> {
  try {
    return await openEncoder({
      directory: join(config.MODELS_DIR, id),
      workers: config.ENCODER_WORKERS,
      ffmpeg: config.ENCODER_FFMPEG,
    });
  } catch (error) {
    if (!(error instanceof MarquetryError) || error.code !== "not-found") throw error;
    const there = await listEncoders(config.MODELS_DIR).catch(() => []);
    const names = there.map((each) => ("manifest" in each ? each.id : `${each.id} (unusable)`));
    if (names.length === 0) throw error;
    const message = `${error.message}; ${config.MODELS_DIR} holds ${names.join(", ")}`;
    throw new MarquetryError("not-found", message, { cause: error.cause });
  }
}

/** Vectors of another encoder or length would be refused one by one further on. */
function assertFits({ manifest }: Encoder, { encoder, dims }: EncoderReference): void {
  if (manifest.id !== encoder) {
    throw new ConfigError(`BUNDLE_DIR: names ${encoder}, whose folder holds ${manifest.id}`);
  }
  if (manifest.dims !== dims) {
    throw new ConfigError(
      `BUNDLE_DIR: has ${dims} dims for ${encoder}, which has ${manifest.dims}`,
    );
  }
}

const DECODER_CHECK_MS = 60_000;

/** Shows in `/readyz` and in the metrics whether videos can be decoded; nothing else waits for it. */
export function watchVideoDecoder(
  ffmpeg: string,
  { degradation, metrics }: Pick<ServiceContext, "degradation" | "metrics">,
): void {
  let foundAt = -Infinity;
  const check = async (): Promise<void> => {
    // Starting ffmpeg takes tens of milliseconds of a core, and probes come every few seconds.
    if (performance.now() - foundAt < DECODER_CHECK_MS) return;
    await checkVideoDecoder(ffmpeg);
    foundAt = performance.now();
  };
  degradation.set("video", check);
  metrics.gauge("video_decoder_available_ratio", "1 where videos can be decoded, else 0", () =>
    check().then(
      () => 1,
      () => 0,
    ),
  );
}
