/** Reading a catalogue: a folder with `products.csv` and pictures, as product changes. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import { MarquetryError } from "@marquetry/runtime/errors";
import { parse } from "csv-parse/sync";

/** One row; columns beyond these are ignored. "|" separates the entries of a list. */
interface Row {
  readonly id?: string;
  readonly title?: string;
  readonly name?: string;
  readonly description?: string;
  /** Paths such as "Women/Bottoms/Pants". */
  readonly categories?: string;
  readonly brand?: string;
  readonly price?: string;
  readonly currency?: string;
  /** Path of a picture within the folder. */
  readonly image?: string;
  /** What the variants of one product share. */
  readonly parent?: string;
}

export interface CatalogueProduct {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly categories: readonly string[];
  readonly brand: string;
  readonly price: number | undefined;
  readonly currency: string;
  /** Absolute path of the picture, where there is one. */
  readonly image: string | undefined;
  readonly groupId: string;
}

/** @throws MarquetryError `not-found` or `invalid`, with file, row and what was expected */
export async function readCatalogue(directory: string): Promise<CatalogueProduct[]> {
  const file = join(directory, "products.csv");
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    const message = `${file}: expected a catalogue: a folder with products.csv and pictures`;
    throw new MarquetryError("not-found", message, { cause });
  });
  const rows = parse<Row>(text, {
    columns: true,
    skip_empty_lines: true,
    bom: true,
    trim: true,
  });
  if (rows.length === 0) refuse(file, "expected at least one product below the header");
  const ids = new Set<string>();
  return rows.map((row, at) => {
    const where = `${file}, row ${at + 2}`;
    const product = productOf(row, where, directory);
    if (ids.has(product.id)) refuse(where, `id ${product.id} stands in an earlier row`);
    ids.add(product.id);
    return product;
  });
}

function productOf(row: Row, where: string, directory: string): CatalogueProduct {
  const id = row.id ?? "";
  if (id === "") refuse(where, "expected an id");
  const price = row.price === undefined || row.price === "" ? undefined : Number(row.price);
  if (price !== undefined && !(price >= 0)) refuse(where, `expected a price, got ${row.price}`);
  const image =
    row.image === undefined || row.image === "" ? undefined : join(directory, row.image);
  if (image !== undefined && !existsSync(image)) refuse(where, `there is no picture ${image}`);
  return {
    id,
    title: row.title ?? row.name ?? "",
    description: row.description ?? "",
    categories: (row.categories ?? "").split("|").filter((path) => path !== ""),
    brand: row.brand ?? "",
    price,
    currency: row.currency ?? "",
    image,
    groupId: row.parent ?? "",
  };
}

function refuse(where: string, reason: string): never {
  throw new MarquetryError("invalid", `${where}: ${reason}`);
}

/** The change that brings the product into the platform. */
export function toProductChange(
  product: CatalogueProduct,
  at: {
    readonly revision: number;
    readonly occurredAtMs: number;
    readonly availableFromMs?: number;
  },
): ProductChange {
  const { id, title, description, categories, brand, price, currency, image, groupId } = product;
  return create(ProductChangeSchema, {
    productId: id,
    revision: BigInt(at.revision),
    occurredAt: timestampFromMs(at.occurredAtMs),
    change: {
      case: "upserted",
      value: {
        title,
        description,
        categories: [...categories],
        brand,
        currency,
        groupId,
        ...(price === undefined ? {} : { price }),
        images: image === undefined ? [] : [{ url: pathToFileURL(image).href }],
        availableFrom: timestampFromMs(at.availableFromMs ?? at.occurredAtMs),
      },
    },
  });
}
