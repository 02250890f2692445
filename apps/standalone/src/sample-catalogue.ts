/** The demo's catalogue: 54 photographed products that the npm package `@vendure/create` carries as
 * its sample shop (MIT; photos from Unsplash). Fetched once, never a dependency. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory } from "@marquetry/runtime/directories";
import { MarquetryError } from "@marquetry/runtime/errors";
import { parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { extract } from "tar";

const PACKAGE = "@vendure/create@3.7.3";
const ARCHIVE_SHA256 = "89f0a9ce225c44b7f9fc07a85bca655f98c48bbb7f3aa06ae0e9c04ce5db0af7";

export function sampleCatalogueDirectory(env: NodeJS.ProcessEnv): string {
  return join(cacheDirectory(env), "sample-catalogue-3.7.3");
}

/** Downloads the catalogue into the folder, once; an interrupted download leaves no folder. */
export async function fetchSampleCatalogue(
  directory: string,
  report: (line: string) => void,
): Promise<void> {
  if (existsSync(join(directory, "products.csv"))) return;
  report(`fetching the sample catalogue (npm package ${PACKAGE}) …`);
  await mkdir(dirname(directory), { recursive: true });
  const work = await mkdtemp(`${directory}.`);
  try {
    await promisify(execFile)("npm", ["pack", PACKAGE, "--silent", "--pack-destination", work], {
      cwd: work,
    });
    const archive = join(work, "vendure-create-3.7.3.tgz");
    const digest = createHash("sha256")
      .update(await readFile(archive))
      .digest("hex");
    if (digest !== ARCHIVE_SHA256)
      throw new MarquetryError(
        "corrupt",
        `${PACKAGE}: expected sha256 ${ARCHIVE_SHA256}, got ${digest}`,
      );
    await extract({
      file: archive,
      cwd: work,
      strip: 2,
      filter: (path) => path.startsWith("package/assets/"),
    });
    await writeFile(
      join(work, "products.csv"),
      toCatalogue(await readFile(join(work, "products.csv"), "utf8")),
    );
    await rm(archive);
    await rename(work, directory).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster; its folder is as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** From the sample shop's columns to ours; rows without a name are variants and are left out. */
function toCatalogue(csv: string): string {
  const rows = parse<Record<string, string>>(csv, {
    columns: (header: string[]) => header.map((name) => name.trim()),
    trim: true,
  });
  const products = rows
    .filter((row) => row["name"] !== "")
    .map((row) => {
      const facets = (row["facets"] ?? "").split("|").map((facet) => facet.split(":"));
      const valuesOf = (name: string): string[] =>
        facets.filter(([facet]) => facet === name).map(([, value]) => value ?? "");
      return {
        id: row["slug"],
        title: row["name"],
        description: row["description"],
        categories: valuesOf("category").join("/"),
        brand: valuesOf("brand")[0] ?? "",
        price: row["price"],
        currency: "USD",
        image: join("images", row["assets"]?.split("|")[0] ?? ""),
      };
    });
  return stringify(products, { header: true });
}
