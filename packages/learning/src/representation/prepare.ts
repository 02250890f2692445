/** From a dataset's folder to everything that learning and evaluation start from. */
import { join } from "node:path";
import type { EncoderReference } from "@marquetry/model/bundle";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { countItems } from "../dataset/dataset.js";
import type { Dataset } from "../dataset/dataset.js";
import { encodeImages, encodeTexts } from "../dataset/encode-contents.js";
import type { Encoded, EncodeOptions } from "../dataset/encode-contents.js";
import { readDataset } from "../dataset/read-dataset.js";
import type { Whitening } from "../linear-algebra/whitening.js";
import { prepareContent } from "./content.js";

export interface Prepared {
  readonly dataset: Dataset;
  /** By modality, the vectors of its encoder, one row per product. */
  readonly features: Readonly<Record<string, Matrix>>;
  readonly encoders: Readonly<Record<string, EncoderReference>>;
  /** Whitened rows of length 1 by modality. */
  readonly content: Readonly<Record<string, Matrix>>;
  /** By modality, how its content was made of its features. */
  readonly whitenings: Readonly<Record<string, Whitening>>;
  /** By product, how often it stands in the training part. */
  readonly counts: Float64Array;
}

export interface PrepareOptions {
  readonly modelsDirectory: string;
  readonly featuresDirectory: string;
  /** Id of the text encoder. */
  readonly textEncoder: string;
  /** Id of the image encoder. */
  readonly imageEncoder: string;
  readonly report: (line: string) => void;
}

/** Directions of each modality: many of encoded text, few of matrices, which are weaker. */
export const TEXT_DIRECTIONS = 256;
const IMAGE_DIRECTIONS = 128;
const MATRIX_DIRECTIONS = 64;

/**
 * Reads a dataset's folder, encodes its texts and pictures and whitens all modalities.
 * @throws MarquetryError `invalid` that names the file, the row and what was expected
 */
export async function prepare(directory: string, options: PrepareOptions): Promise<Prepared> {
  const dataset = await readDataset(directory);
  const modalities = new Map<string, EncodedModality>();
  for (const [name, vectors] of Object.entries(dataset.features)) {
    const encoder = `${dataset.name}-${name}`;
    modalities.set(name, { encoder, vectors, directions: MATRIX_DIRECTIONS });
  }
  const optionsFor = (encoder: string): EncodeOptions => ({
    encoderDirectory: join(options.modelsDirectory, encoder),
    cacheDirectory: options.featuresDirectory,
    report: options.report,
  });
  for (const [name, texts] of Object.entries(dataset.texts)) {
    const encoded = await encodeTexts(texts, optionsFor(options.textEncoder));
    modalities.set(name, { ...encoded, directions: TEXT_DIRECTIONS });
  }
  for (const [name, files] of Object.entries(dataset.images ?? {})) {
    const encoded = await encodeImages(files, optionsFor(options.imageEncoder));
    modalities.set(name, { ...encoded, directions: IMAGE_DIRECTIONS });
  }
  return preparedOf(dataset, modalities);
}

/** The output of a modality's encoder, and to how many directions it is whitened. */
interface EncodedModality extends Encoded {
  readonly directions: number;
}

/** As `prepare`, of a dataset in memory whose modalities are encoded. */
export function preparedOf(
  dataset: Dataset,
  modalities: ReadonlyMap<string, EncodedModality>,
): Prepared {
  const features: Record<string, Matrix> = {};
  const encoders: Record<string, EncoderReference> = {};
  const content: Record<string, Matrix> = {};
  const whitenings: Record<string, Whitening> = {};
  for (const [name, { encoder, vectors, directions }] of modalities) {
    features[name] = vectors;
    encoders[name] = { encoder, dims: vectors.cols };
    const { rows, whitening } = prepareContent(vectors, directions);
    content[name] = rows;
    whitenings[name] = whitening;
  }
  const counts = countItems(dataset.splits.train, dataset.itemIds.length);
  return { dataset, features, encoders, content, whitenings, counts };
}
