/**
 * What `pnpm deploy --prod` puts into the image of a service (infra/Dockerfile), by the lockfile: the
 * native libraries alone are most of an image and most of what has to be patched.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";

const ROOT = join(import.meta.dirname, "../../..");
const LIBRARIES = ["onnxruntime-node", "sharp", "@img/colour", "@huggingface/tokenizers"];

type Versions = Readonly<Record<string, string>>;

interface Lockfile {
  /** A package of the workspace by its folder. */
  readonly importers: Readonly<
    Record<
      string,
      {
        readonly dependencies?: Readonly<Record<string, { readonly version: string }>>;
        readonly optionalDependencies?: Readonly<Record<string, { readonly version: string }>>;
      }
    >
  >;
  /** An installed package by `name@version`. */
  readonly snapshots: Readonly<
    Record<string, { readonly dependencies?: Versions; readonly optionalDependencies?: Versions }>
  >;
}

interface Manifest {
  readonly peerDependencies?: Versions;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** Names of all that an app needs in production, through the workspace's own packages too. */
async function deployedPackages(lockfile: Lockfile, app: string): Promise<Set<string>> {
  const names = new Set<string>();
  const visited = new Set<string>();

  async function visitWorkspace(folder: string): Promise<void> {
    if (visited.has(folder)) return;
    visited.add(folder);
    const importer = lockfile.importers[folder];
    if (importer === undefined) throw new Error(`the lockfile has no ${folder}`);
    const { dependencies, optionalDependencies } = importer;
    for (const [name, { version }] of Object.entries({
      ...dependencies,
      ...optionalDependencies,
    })) {
      names.add(name);
      if (version.startsWith("link:")) await visitWorkspace(join(folder, version.slice(5)));
      else visitInstalled(name, version);
    }
    for (const name of await requiredPeers(folder)) names.add(name);
  }

  function visitInstalled(name: string, version: string): void {
    // An alias has the name of what it stands for in its version.
    const key = version in lockfile.snapshots ? version : `${name}@${version}`;
    if (visited.has(key)) return;
    visited.add(key);
    const snapshot = lockfile.snapshots[key];
    if (snapshot === undefined) throw new Error(`the lockfile has no ${key}`);
    const { dependencies, optionalDependencies } = snapshot;
    for (const [child, at] of Object.entries({ ...dependencies, ...optionalDependencies })) {
      names.add(child);
      visitInstalled(child, at);
    }
  }

  await visitWorkspace(`apps/${app}`);
  return names;
}

/** pnpm installs them where the app does not. */
async function requiredPeers(folder: string): Promise<string[]> {
  const manifest = JSON.parse(
    await readFile(join(ROOT, folder, "package.json"), "utf8"),
  ) as Manifest;
  const { peerDependencies = {}, peerDependenciesMeta = {} } = manifest;
  return Object.keys(peerDependencies).filter(
    (name) => peerDependenciesMeta[name]?.optional !== true,
  );
}

describe("the image of a service", () => {
  let lockfile: Lockfile;

  beforeAll(async () => {
    lockfile = parse(await readFile(join(ROOT, "pnpm-lock.yaml"), "utf8")) as Lockfile;
  });

  async function nativeLibraries(app: string): Promise<string[]> {
    const names = await deployedPackages(lockfile, app);
    return LIBRARIES.filter((library) => names.has(library));
  }

  test.each(["ranking-gateway", "fusion"])(
    "of %s, which runs no model, has no ONNX Runtime, no decoder of pictures, no tokenizer",
    async (app) => {
      expect(await nativeLibraries(app)).toEqual([]);
    },
  );

  test("of user-profile has ONNX Runtime for a bundle's sequence model, and nothing for contents", async () => {
    expect(await nativeLibraries("user-profile")).toEqual(["onnxruntime-node"]);
  });

  test.each(["encoder", "standalone"])(
    "of %s has all that contents are encoded with",
    async (app) => {
      expect(await nativeLibraries(app)).toEqual(LIBRARIES);
    },
  );

  test.each(["ranking-gateway", "fusion", "user-profile", "encoder", "standalone", "trainer"])(
    "of %s has no fixtures of tests",
    async (app) => {
      expect([...(await deployedPackages(lockfile, app))]).not.toContain("@marquetry/testing");
    },
  );
});
