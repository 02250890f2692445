import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { isWorkload, parseManifests } from "./manifests.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const APPS = readdirSync(`${ROOT}k8s/base`, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

function read(path: string): string {
  return readFileSync(`${ROOT}${path}`, "utf8");
}

/** The variables that an app reads: the keys of the schema in its config.ts and of `serviceConfig`. */
function readByApp(app: string): string[] {
  return [`apps/${app}/src/config.ts`, "packages/runtime/src/config.ts"].flatMap((path) =>
    [...read(path).matchAll(/^ {2}([A-Z][A-Z0-9_]*):/gm)].map(([, name]) => name!),
  );
}

interface Kustomization {
  readonly configMapGenerator?: readonly {
    readonly name: string;
    readonly literals?: readonly string[];
  }[];
  readonly secretGenerator?: readonly { readonly literals?: readonly string[] }[];
}

function literalNames(
  generators: readonly { readonly literals?: readonly string[] }[] = [],
): string[] {
  return generators.flatMap(({ literals = [] }) =>
    literals.map((literal) => literal.split("=")[0]!),
  );
}

/** The variables that the base gives to an app. */
function givenByBase(app: string): string[] {
  const kustomization = parse(read(`k8s/base/${app}/kustomization.yaml`)) as Kustomization;
  const entries = parseManifests(read(`k8s/base/${app}/${app}.yaml`))
    .filter(isWorkload)
    .flatMap((workload) => workload.spec.template.spec.containers)
    .flatMap((container) => container.env ?? []);
  return [...entries.map(({ name }) => name), ...literalNames(kustomization.configMapGenerator)];
}

/** Connections that the base requires of an overlay; the API key is optional. */
const CONNECTIONS = [
  ...new Set(APPS.flatMap(givenByBase).filter((name) => name.endsWith("_URL"))),
].sort();

test("the base has every service", () => {
  expect(APPS.sort()).toEqual(["encoder", "fusion", "ranking-gateway", "user-profile"]);
});

describe.each(APPS)("%s", (app) => {
  test("is given only variables that it reads", () => {
    const known = readByApp(app);
    expect(givenByBase(app).filter((name) => !known.includes(name))).toEqual([]);
  });

  test("is given every connection that it reads", () => {
    const given = givenByBase(app);
    const connections = readByApp(app).filter((name) => /_(URL|API_KEY)$/.test(name));
    expect(connections.filter((name) => !given.includes(name))).toEqual([]);
  });

  test("has every variable that it reads on the operations page", () => {
    const page = read("docs/operations.md");
    expect(readByApp(app).filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

test("the local overlay gives every connection", () => {
  const { secretGenerator } = parse(read("k8s/overlays/local/kustomization.yaml")) as Kustomization;
  expect(literalNames(secretGenerator).sort()).toEqual(CONNECTIONS);
});

test("the operations page names no variable that nothing reads", () => {
  const table = [...read("docs/operations.md").matchAll(/^\| `([A-Z][A-Z0-9_]*)` \|/gm)].map(
    ([, name]) => name!,
  );
  const known = new Set(APPS.flatMap(readByApp));
  expect(table.length).toBeGreaterThan(0);
  expect(table.filter((name) => !known.has(name))).toEqual([]);
});
