// Every root script starts here, on whatever Node the machine has (20 or later): it installs the
// workspace with the pinned pnpm where that is due, builds, and runs the command on the pinned Node.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

const PNPM = "pnpm@12.21.0";
const root = resolve(import.meta.dirname ?? ".", "..");
const bin = join(root, "node_modules", ".bin");
const env = {
  ...process.env,
  PATH: bin + delimiter + process.env.PATH,
  TURBO_TELEMETRY_DISABLED: "1",
};
// Set by npm for its own children; pnpm would take them for its settings.
for (const name of Object.keys(env))
  if (/^npm_/i.test(name) && !/^npm_config_(cafile|registry)$/i.test(name)) delete env[name];

const COMMANDS = {
  demo: { build: true, run: ["node", "apps/standalone/dist/src/demo.js"] },
  test: { build: true, run: ["node", "infra/dist/commands/test.js"] },
  lint: { build: true, run: ["node", "infra/dist/commands/lint.js"] },
  models: { build: true, run: ["node", "infra/dist/models/main.js"] },
  stack: { build: true, run: ["node", "infra/dist/stack/main.js"] },
  train: { build: true, run: ["node", "apps/trainer/dist/src/main.js", "train"] },
  evaluate: { build: true, run: ["node", "apps/trainer/dist/src/main.js", "evaluate"] },
  build: { build: true },
  format: { run: ["oxfmt", "."], afterwards: ["buf", "format", "-w"] },
};

const [name = "", ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  console.error(`expected one of: ${Object.keys(COMMANDS).join(", ")}`);
  process.exit(2);
}
install();
if (command.build)
  run(["turbo", "run", "build", "--output-logs=errors-only", "--log-order=grouped"], "quiet");
if (command.run) run([...command.run, ...args]);
if (command.afterwards) run(command.afterwards);

function install() {
  const stamp = join(root, "node_modules", ".marquetry-installed");
  const wanted = createHash("sha256");
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml"])
    wanted.update(readFileSync(join(root, file)));
  const digest = wanted.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  console.error("installing dependencies (once) …");
  run(["npx", "--yes", PNPM, "install", "--frozen-lockfile", "--reporter=append-only"], "quiet");
  writeFileSync(stamp, digest);
}

/** Runs to the end; a failure ends this process with the same status. `quiet` output is shown only
 * when the command fails, so that stdout belongs to the command that was asked for. */
function run([file, ...rest], quiet) {
  const { status, signal, error, stdout, stderr } = spawnSync(file, rest, {
    cwd: root,
    env,
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status === 0) return;
  if (quiet) process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  if (error) console.error(`${file}: ${error.message}`);
  process.exit(status ?? (signal === "SIGINT" ? 130 : 1));
}
