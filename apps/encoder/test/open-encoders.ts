import { openEncoder } from "@marquetry/inference/open-encoder";
import type { Encoder } from "@marquetry/inference/encoder";
import { writeImageEncoder, writeTextEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";
import { afterAll, beforeAll } from "@jest/globals";
import type { ContentModality } from "@marquetry/contracts/modalities";

/** Small real encoders of text and pictures, open while the calling file's tests run. */
export function openEncoders(): Map<ContentModality, Encoder> {
  const encoders = new Map<ContentModality, Encoder>();
  beforeAll(async () => {
    encoders.set("text", await openEncoder({ directory: await writeTextEncoder(), workers: 1 }));
    encoders.set("image", await openEncoder({ directory: await writeImageEncoder(), workers: 1 }));
  });
  afterAll(async () => {
    await Promise.all([...encoders.values()].map((encoder) => encoder.close()));
    await removeFolders();
  });
  return encoders;
}
