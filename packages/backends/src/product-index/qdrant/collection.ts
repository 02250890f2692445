import type { QdrantClient } from "@qdrant/js-client-rest";
import { MarquetryError } from "@marquetry/runtime/errors";
import { z } from "zod";
import { otherVectors } from "../checks.js";
import type { CollectionSpec, VectorSpec } from "../product-index.js";
import { INDEXED_FIELDS } from "./codec.js";
import { ignoreNotFound, send } from "./errors.js";

export async function ensureCollection(client: QdrantClient, spec: CollectionSpec): Promise<void> {
  await createWhereMissing(client, spec);
  const info = await send(() => client.getCollection(spec.name));
  checkSameVectors(info.config.params.vectors, spec);
  // Payload keys take part in the graph only where their index was there before the points.
  for (const [field, type] of Object.entries(INDEXED_FIELDS)) {
    if (info.payload_schema[field]?.data_type === type) continue;
    await send(() =>
      client.createPayloadIndex(spec.name, {
        field_name: field,
        field_schema: type,
        wait: true,
        ordering: "strong",
      }),
    );
  }
}

async function createWhereMissing(client: QdrantClient, spec: CollectionSpec): Promise<void> {
  try {
    await send(() => client.getCollection(spec.name));
    return;
  } catch (error) {
    ignoreNotFound(error);
  }
  const vectors = Object.entries(spec.vectors).map(([name, vector]) => [
    name,
    vectorParams(vector),
  ]);
  try {
    await send(() => client.createCollection(spec.name, { vectors: Object.fromEntries(vectors) }));
  } catch (error) {
    // Another process may have created it in between; the caller looks at what is there now.
    const refused = error instanceof MarquetryError && error.code === "invalid";
    if (!refused || !(await send(() => client.collectionExists(spec.name))).exists) throw error;
  }
}

function vectorParams({ size, searchable }: VectorSpec) {
  const params = { size, distance: "Dot" } as const;
  return searchable ? params : { ...params, on_disk: true, hnsw_config: { m: 0 } };
}

function checkSameVectors(existing: unknown, spec: CollectionSpec): void {
  const found = namedVectors.safeParse(existing).data ?? {};
  const specified = Object.entries(spec.vectors);
  const same =
    specified.length === Object.keys(found).length &&
    specified.every(([name, { size, searchable }]) => {
      const vector = found[name];
      return (
        vector?.size === size &&
        vector.distance === "Dot" &&
        (vector.hnsw_config?.m !== 0) === searchable
      );
    });
  if (!same) throw otherVectors(spec.name);
}

const namedVectors = z.record(
  z.string(),
  z.object({
    size: z.number(),
    distance: z.string(),
    hnsw_config: z.object({ m: z.number().nullish() }).nullish(),
  }),
);
