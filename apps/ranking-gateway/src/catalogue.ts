/** The products of one bundle, as the gateway reads them from the index. */
import { productCollection } from "@marquetry/backends/product-index";
import type {
  FoundPoint,
  Point,
  PointFilter,
  Scan,
  ScoredPoint,
  ProductIndex,
  VectorQuery,
} from "@marquetry/backends/product-index";
import { MarquetryError, toMarquetryError } from "@marquetry/runtime/errors";

export interface Catalogue {
  retrieve(productIds: readonly string[], vectors: readonly string[]): Promise<Map<string, Point>>;
  query(query: VectorQuery): Promise<ScoredPoint[]>;
  scan(scan: Scan): Promise<FoundPoint[]>;
  count(filter?: PointFilter): Promise<number>;
}

export function createCatalogue(index: ProductIndex, bundleId: string): Catalogue {
  const collection = productCollection(bundleId);
  return {
    retrieve: (productIds, vectors) => read(index.retrieve(collection, productIds, vectors)),
    query: (query) => read(index.query(collection, query)),
    scan: (scan) => read(index.scan(collection, scan)),
    count: (filter) => read(index.count(collection, filter)),
  };
}

/** What the index finds wrong with a question is never the caller's mistake. */
async function read<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (cause) {
    const { code } = toMarquetryError(cause);
    // Fusion creates the collection when it first starts.
    if (code === "not-found")
      throw new MarquetryError("unavailable", "there is no catalogue yet", { cause });
    if (code === "invalid")
      throw new MarquetryError("internal", "an internal error happened", { cause });
    throw cause;
  }
}
