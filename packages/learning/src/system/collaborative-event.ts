import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { PointPayload } from "@marquetry/backends/product-index/payload";
import { availabilityNamed } from "@marquetry/contracts/availability";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { sha256Hex } from "@marquetry/model/bundle/digest";

interface CollaborativeOfProduct {
  /** As the index has the product: the event repeats its revision and attributes. */
  readonly product: PointPayload;
  readonly encoder: string;
  readonly vector: Float32Array;
  readonly imputed: boolean;
}

/** An event of the product's collaborative modality alone. Equal input gives an equal event. */
export async function collaborativeEvent({
  product,
  encoder,
  vector,
  imputed,
}: CollaborativeOfProduct): Promise<ProductEmbedded> {
  const { productId, revision, title, categories, brand, price, currency, groupId } = product;
  const bytes = vectorToBytes(vector);
  const available = timestampFromMs(product.availableFromMs);
  return create(ProductEmbeddedSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: available,
    state: {
      case: "embedded",
      value: {
        attributes: {
          title,
          categories: [...categories],
          brand,
          ...(price !== undefined && { price }),
          currency,
          availability: availabilityNamed(product.availability),
          availableFrom: available,
          groupId,
        },
        modalities: [COLLABORATIVE],
        embeddings: [
          {
            modality: COLLABORATIVE,
            encoder,
            digest: await sha256Hex(bytes),
            vector: bytes,
            imputed,
          },
        ],
      },
    },
  });
}
