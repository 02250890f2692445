/** `npm run lint`: types (by the build before it), style, import rules, protos, Kubernetes. */
import { spawnSync } from "node:child_process";

const STEPS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ["format", "oxfmt", "--check", "."],
  ["oxlint", "oxlint", "--type-aware", "--deny-warnings"],
  ["import rules", "depcruise", "--config", ".dependency-cruiser.mjs", "packages", "apps", "infra"],
  // Tests do not count as users; `knip.jsonc` says what may wait for its user.
  ["unused exports", "knip", "--production", "--include", "exports,types,files"],
  ["buf format", "buf", "format", "--diff", "--exit-code"],
  ["buf lint", "buf", "lint"],
  // What was released stays readable; `npm run release:contracts` moves the mark.
  ["buf breaking", "buf", "breaking", "--against", "proto/released.binpb"],
  ["kubernetes", "node", "infra/dist/k8s/check.js"],
];

function main(): void {
  if (process.argv.includes("--help")) {
    console.log(
      "npm run lint: types, format, oxlint, import rules, unused exports, buf, Kubernetes manifests",
    );
    return;
  }
  const failed: string[] = [];
  for (const [name, command, ...args] of STEPS) {
    const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
    console.log(`${status === 0 ? "ok    " : "FAILED"} ${name}`);
    if (status === 0) continue;
    failed.push(name);
    console.log(`${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}`);
  }
  if (failed.length > 0) {
    console.error(`lint failed: ${failed.join(", ")}`);
    process.exitCode = 1;
  }
}

main();
