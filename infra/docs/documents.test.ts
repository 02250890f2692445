import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const DECISIONS = "docs/adr";
const STATUS =
  /^Date: \d{4}-\d{2}-\d{2}\. Status: (proposed|accepted|amended by .+|replaced by .+)\./;

/** Markdown files below a folder, as paths from the root of the repository. */
function markdown(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !/(^|\/)(node_modules|dist)\//.test(path))
    .map((path) => join(folder, path));
}

const documents = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...["docs", "apps", "packages", "infra", "k8s"].flatMap(markdown),
];

describe.each(documents)("%s", (document) => {
  const text = readFileSync(join(ROOT, document), "utf8");

  test("names only paths that exist", () => {
    const named = [...text.matchAll(/`((?:packages|apps|infra|k8s|proto|docs)\/[\w./-]*)`/g)];
    const missing = named.map(([, path]) => path!).filter((path) => !existsSync(join(ROOT, path)));
    expect(missing).toEqual([]);
  });

  test("links only to files that exist", () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, path]) => path!);
    const missing = links.filter((path) => !existsSync(join(ROOT, dirname(document), path)));
    expect(missing).toEqual([]);
  });
});

describe("decision records", () => {
  const records = readdirSync(join(ROOT, DECISIONS)).filter((name) => /^\d{4}-/.test(name));
  const index = readFileSync(join(ROOT, DECISIONS, "README.md"), "utf8");

  test.each(records)("%s has the form of all and stands in the index", (name) => {
    const text = readFileSync(join(ROOT, DECISIONS, name), "utf8");
    const [title, , status] = text.split("\n");
    const number = Number(name.slice(0, 4));
    expect(title).toMatch(new RegExp(`^# ${number}\\. `));
    expect(status).toMatch(STATUS);
    const sections = [...text.matchAll(/^## (.+)$/gm)].map(([, section]) => section);
    expect(sections).toEqual(["Context", "Decision", "Drawbacks", "Alternatives"]);
    expect(index).toContain(`| ${number} | [${title!.replace(/^# \d+\. /, "")}](${name}) |`);
  });
});
