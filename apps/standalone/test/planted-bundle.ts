/** A small trained bundle, made in closed form: kinds of products, and users who keep to one kind. */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { EventBus } from "@marquetry/backends/event-bus";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { normalise, vectorToBytes } from "@marquetry/model/vectors/vector";
import type { CollaborativeFiles } from "@marquetry/learning/bundle/bundle-folder";
import { trainedBundle } from "./trained-bundle.js";

export const KINDS = 6;
const TEXT_DIMS = 8;
const DIMS = 12;
export const TEXT_ENCODER = { encoder: "words", dims: TEXT_DIMS };
const RANKING = { decay: 0.7, popularity: 0.02 };

export interface PlantedBundle extends CollaborativeFiles {
  readonly itemIds: readonly string[];
  /** As the encoder would make them, one row per product. */
  readonly text: Matrix;
  /** The trained vectors, one row of length 1 per product; those of cold products are not used. */
  readonly trained: Matrix;
}

export function row({ cols, data }: Matrix, i: number): Float32Array {
  return data.subarray(i * cols, (i + 1) * cols);
}

/** @param cold how many products, the last ones, are cold */
export async function plantedBundle(items: number, cold: number, seed = 5): Promise<PlantedBundle> {
  const uniform = mulberry32(seed);
  const around = (dims: number): Matrix => {
    const centres = matrix(KINDS, dims, randomVector(uniform, KINDS * dims));
    const rows = matrix(items, dims, randomVector(uniform, items * dims));
    for (let i = 0; i < items; i += 1) {
      const centre = row(centres, i % KINDS);
      row(rows, i).set(normalise(row(rows, i).map((x, j) => 0.3 * x + centre[j]!)));
    }
    return rows;
  };
  const [text, trained] = [around(TEXT_DIMS), around(DIMS)];
  const itemIds = Array.from({ length: items }, (_, i) => `product-${i}`);
  const counts = Float64Array.from({ length: items }, (_, i) => (i < items - cold ? 1 + i : 0));
  const train = [Int32Array.of(0, 1, 2), Int32Array.of(3, 4)];
  const { bundle, collaborative } = await trainedBundle(
    {
      dataset: {
        name: "planted",
        itemIds,
        ordered: true,
        splits: { train, valid: [], test: [], testHistory: "train-and-valid" },
        features: {},
        texts: {},
      },
      features: { text },
      encoders: { text: TEXT_ENCODER },
      content: {},
      whitenings: {},
      counts,
    },
    trained,
    RANKING,
  );
  const products = Array.from(collaborative.items, (item) => itemIds[item]!);
  return { bundle, products, vectors: collaborative.vectors, itemIds, text, trained };
}

/** An encoder's event for a product; without a text where that is undefined. */
export function encodedText(
  productId: string,
  text: Float32Array | undefined,
  { revision = 1, atMs = Date.UTC(2026, 0, 1) } = {},
): ProductEmbedded {
  return create(ProductEmbeddedSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(atMs),
    state: {
      case: "embedded",
      value: {
        attributes: { title: `the ${productId}`, categories: ["Kinds/Kind"], price: 3 },
        absent: text === undefined ? ["text"] : [],
        embeddings:
          text === undefined
            ? []
            : [
                {
                  modality: "text",
                  encoder: TEXT_ENCODER.encoder,
                  digest: `${productId} ${revision}`,
                  vector: vectorToBytes(text),
                },
              ],
      },
    },
  });
}

export async function sendEmbedded(
  bus: EventBus,
  events: readonly ProductEmbedded[],
): Promise<void> {
  await bus.publish(
    PRODUCT_EMBEDDINGS.name,
    events.map((event) => ({
      key: event.productId,
      value: toBinary(ProductEmbeddedSchema, event),
    })),
  );
}
