/**
 * Checks the Kubernetes manifests without a cluster: `node infra/dist/k8s/check.js`.
 *
 * Builds each overlay with kustomize, holds it against the schemas of Kubernetes 1.37, then against
 * the rules of `rules.ts`. Exit status 1 and one line per mistake where something is wrong.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseManifests } from "./manifests.js";
import { findProblems } from "./rules.js";
import { attempt, installTools, run } from "./tools.js";
import type { KubernetesTools } from "./tools.js";

const KUBERNETES_VERSION = "1.37";
const OVERLAYS_DIR = fileURLToPath(new URL("../../../k8s/overlays", import.meta.url));

/** The overlays, and of each the Secrets that its operator creates, with a file that has their keys. */
const OVERLAYS = [
  { name: "local", operatorSecrets: {} },
  { name: "production", operatorSecrets: { "marquetry-connections": "connections.env.example" } },
] as const;

async function checkOverlay(
  overlay: (typeof OVERLAYS)[number],
  tools: KubernetesTools,
): Promise<string[]> {
  const directory = join(OVERLAYS_DIR, overlay.name);
  const built = await run(tools.kubectl, ["kustomize", directory]);
  const schemaProblems = await validate(built, tools);
  // The rules trust the types of what they read.
  if (schemaProblems.length > 0) return schemaProblems;
  const manifests = parseManifests(built);
  if (manifests.length === 0) return ["it builds no manifests"];
  const operatorSecrets = new Map<string, ReadonlySet<string>>();
  for (const [secret, file] of Object.entries(overlay.operatorSecrets))
    operatorSecrets.set(secret, await keysOfEnvFile(join(directory, file)));
  return findProblems({ manifests, operatorSecrets });
}

/** The validator reads files only. It merely warns of a kind or version that has no schema. */
async function validate(built: string, tools: KubernetesTools): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "marquetry-k8s-"));
  try {
    const file = join(directory, "manifests.yaml");
    await writeFile(file, built);
    const args = ["-k", KUBERNETES_VERSION, "--strict", "--quiet", file];
    const { status, stdout, stderr } = await attempt(tools.validate, args);
    const lines = `${stdout}${stderr}`.replaceAll(`${file} `, "").split("\n");
    const problems = lines.filter((line) => line.trim() !== "");
    return status !== 0 && problems.length === 0
      ? [`the validator ended with ${status}`]
      : problems;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function keysOfEnvFile(path: string): Promise<ReadonlySet<string>> {
  const text = await readFile(path, "utf8");
  return new Set([...text.matchAll(/^([A-Z][A-Z0-9_]*)=/gm)].map(([, key]) => key!));
}

async function main(): Promise<number> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  try {
    const tools = await installTools(say);
    let failed = false;
    for (const overlay of OVERLAYS) {
      const problems = await checkOverlay(overlay, tools);
      failed ||= problems.length > 0;
      say(`k8s/overlays/${overlay.name}: ${problems.length === 0 ? "ok" : "wrong"}`);
      for (const problem of problems) say(`  ${problem}`);
    }
    return failed ? 1 : 0;
  } catch (error) {
    const { message, cause } = error as Error;
    const because = cause instanceof Error ? ` (${cause.message})` : "";
    process.stderr.write(`k8s check: ${message}${because}\n`);
    return 1;
  }
}

process.exitCode = await main();
