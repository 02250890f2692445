/** Publishes a bundle's collaborative vectors to the topic that fusion reads, as one more modality. */
import { toBinary } from "@bufbuild/protobuf";
import type { EventBus } from "@marquetry/backends/event-bus";
import type { Point, ProductIndex } from "@marquetry/backends/product-index";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { embeddingKey, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { fusedDims } from "@marquetry/model/fusion";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { CollaborativeFiles } from "../bundle/bundle-folder.js";
import { gatherRows, rowOf } from "../linear-algebra/rows.js";
import { contentRows, createImpute, imputedRows } from "../representation/imputation.js";
import type { Impute } from "../representation/imputation.js";
import { cataloguePages } from "./catalogue-pages.js";
import { collaborativeEvent } from "./collaborative-event.js";

export interface ExportDeps extends CollaborativeFiles {
  readonly bus: EventBus;
  readonly index: ProductIndex;
  readonly report: (line: string) => void;
  /** Products in memory at a time, besides the bundle's own vectors and their content. Default:
   * 256. */
  readonly pagePoints?: number;
}

/** Products by what became of them. */
interface ExportCounts {
  /** Published with the vector that was trained. */
  readonly trained: number;
  /** Of the catalogue, without interactions: published with an imputed vector. */
  readonly imputed: number;
  /** Of the catalogue, without interactions and without content that is like any other's: not
   * published. */
  readonly bare: number;
  /** Trained, but not in the catalogue, so that the attributes are unknown: not published. */
  readonly unknown: number;
}

const PAGE_POINTS = 256;

/**
 * Publishes the collaborative vector of every product of the catalogue, which is the bundle's
 * collection: first the trained ones, then the rest imputed from them. An event repeats the revision and
 * attributes that the index has, so fusion takes it at any time; the same export over the same
 * catalogue gives the same events, which change nothing (docs/adr/0015). What was published before a
 * crash stays, and the next run does the rest.
 * @throws MarquetryError `invalid` where the bundle has no collaborative modality, `not-found` where fusion has
 *   not started with the bundle yet; as the ports
 */
export async function exportCollaborative(deps: ExportDeps): Promise<ExportCounts> {
  const { bundle, products, vectors, bus, index, report, pagePoints = PAGE_POINTS } = deps;
  const encoder = bundle.encoders[COLLABORATIVE]?.encoder;
  if (encoder === undefined) {
    throw new MarquetryError(
      "invalid",
      `bundle ${bundle.id} has no collaborative vectors to export`,
    );
  }
  const rowOfProduct = new Map(products.map((id, row) => [id, row]));
  const found: number[] = [];
  const content = matrix(Math.max(1, products.length), fusedDims(bundle.fusion));
  for await (const points of cataloguePages(index, bundle, pagePoints)) {
    const known = points.filter(({ payload }) => rowOfProduct.has(payload.productId));
    if (known.length === 0) continue;
    const own = contentRows(bundle.fusion, known.map(vectorsOf));
    const trained = known.map(({ payload: product }, i) => {
      const row = rowOfProduct.get(product.productId)!;
      rowOf(content, row).set(rowOf(own, i));
      found.push(row);
      return { product, encoder, vector: rowOf(vectors, row), imputed: false };
    });
    await publish(bus, await Promise.all(trained.map(collaborativeEvent)));
    report(`${found.length} trained of ${products.length}`);
  }
  const impute = found.length === 0 ? undefined : imputeFrom(found, content, vectors);
  let imputed = 0;
  let bare = 0;
  for await (const points of cataloguePages(index, bundle, pagePoints)) {
    const cold = points.filter(({ payload }) => !rowOfProduct.has(payload.productId));
    const rows = impute && imputedRows(impute, bundle.fusion, cold.map(vectorsOf));
    const guessed = cold.flatMap(({ payload: product }, i) => {
      const vector = rows?.[i];
      return vector === undefined ? [] : [{ product, encoder, vector, imputed: true }];
    });
    await publish(bus, await Promise.all(guessed.map(collaborativeEvent)));
    imputed += guessed.length;
    bare += cold.length - guessed.length;
    report(`${imputed} imputed`);
  }
  return { trained: found.length, imputed, bare, unknown: products.length - found.length };
}

function vectorsOf({ vectors }: Point): Point["vectors"] {
  return vectors;
}

/** From products of the catalogue alone: of others the content is not known. */
function imputeFrom(found: readonly number[], content: Matrix, vectors: Matrix): Impute {
  return createImpute({
    content: gatherRows(content, found),
    collaborative: gatherRows(vectors, found),
  });
}

async function publish(bus: EventBus, events: readonly ProductEmbedded[]): Promise<void> {
  await bus.publish(
    PRODUCT_EMBEDDINGS.name,
    events.map((event) => ({
      key: embeddingKey(event, 0),
      partitionKey: event.productId,
      value: toBinary(ProductEmbeddedSchema, event),
    })),
  );
}
