import { productCollection } from "@marquetry/backends/product-index";
import type { Point, ProductIndex } from "@marquetry/backends/product-index";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import type { Bundle } from "@marquetry/model/bundle";
import { MarquetryError, toMarquetryError } from "@marquetry/runtime/errors";

/**
 * The live products of a bundle's collection with the vectors of their content, page by page.
 * @param limit products of one page
 * @throws MarquetryError `not-found` where fusion has not started with the bundle; as the port
 */
export async function* cataloguePages(
  index: ProductIndex,
  bundle: Bundle,
  limit: number,
): AsyncGenerator<readonly Point[]> {
  const vectors = Object.keys(bundle.encoders).filter((name) => name !== COLLABORATIVE);
  const collection = productCollection(bundle.id);
  let after: string | undefined;
  do {
    const page = await index
      .page(collection, { limit, vectors, ...(after !== undefined && { after }) })
      .catch((error: unknown) => {
        if (toMarquetryError(error).code !== "not-found") throw error;
        const message =
          `there is no collection "${collection}": expected fusion to have started with bundle ` +
          bundle.id;
        throw new MarquetryError("not-found", message, { cause: error });
      });
    yield page.points;
    after = page.next;
  } while (after !== undefined);
}
