// Every root script starts here, on whatever Node the machine has (20 or later): it installs the
// workspace with the pinned pnpm where that is due, builds, and runs the command on the pinned Node.
import { spawn, spawnSync } from "node:child_process";
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
  bench: { build: true, run: ["node", "apps/standalone/dist/bench/main.js"] },
  test: { build: true, run: ["node", "infra/dist/commands/test.js"] },
  lint: { build: true, run: ["node", "infra/dist/commands/lint.js"] },
  topics: { build: true, run: ["node", "infra/dist/commands/topics.js"] },
  models: { build: true, run: ["node", "infra/dist/models/main.js"] },
  stack: { build: true, run: ["node", "infra/dist/stack/main.js"] },
  train: { build: true, run: ["node", "apps/trainer/dist/src/main.js", "train"] },
  evaluate: { build: true, run: ["node", "apps/trainer/dist/src/main.js", "evaluate"] },
  export: { build: true, run: ["node", "apps/trainer/dist/src/main.js", "export"] },
  // `npm start`: the whole platform; `npm start -- fusion`: one service.
  start: {
    help: "npm start [-- SERVICE]: encoder, fusion, user-profile or ranking-gateway; all without a name",
    build: true,
    run: ["node"],
    service: true,
  },
  build: { help: "npm run build: installs and compiles everything", build: true },
  "release:contracts": {
    help: "npm run release:contracts: what is in proto/ now is what later changes must stay readable with",
    run: ["buf", "build", "-o", "proto/released.binpb"],
  },
  format: {
    help: "npm run format: formats the protos and everything else",
    before: ["buf", "format", "-w"],
    run: ["oxfmt", "."],
  },
};

const [name = "", ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  console.error(`expected one of: ${Object.keys(COMMANDS).join(", ")}`);
  process.exit(2);
}
if (command.help !== undefined && args.includes("--help")) {
  console.log(command.help);
  process.exit(0);
}
if (command.service) {
  const main = `apps/${args.shift() ?? "standalone"}/dist/src/main.js`;
  if (!existsSync(join(root, main.replace("dist/src/main.js", "src/main.ts")))) {
    console.error("expected encoder, fusion, user-profile, ranking-gateway or nothing for all");
    process.exit(2);
  }
  args.unshift(main);
}
install();
if (command.build) {
  run(["turbo", "run", "build", "--output-logs=errors-only", "--log-order=grouped"]);
}
if (command.before) run(command.before);
if (command.run) become([...command.run, ...args]);

function install() {
  const stamp = join(root, "node_modules", ".marquetry-installed");
  const hash = createHash("sha256");
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml"])
    hash.update(readFileSync(join(root, file)));
  const digest = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  console.error("installing dependencies (once) …");
  run(["npx", "--yes", PNPM, "install", "--frozen-lockfile", "--reporter=append-only"]);
  writeFileSync(stamp, digest);
}

/** Runs to the end; its output is shown, and this process ended, only where it fails, so that stdout
 * belongs to the command that was asked for. */
function run([file, ...rest]) {
  const { status, error, stdout, stderr } = spawnSync(file, rest, {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status === 0) return;
  process.stderr.write(
    `${stdout ?? ""}${stderr ?? ""}${error ? `${file}: ${error.message}\n` : ""}`,
  );
  process.exit(status ?? 1);
}

/** From here on this process is the command: its terminal, its signals, its exit status. */
function become([file, ...rest]) {
  const child = spawn(file, rest, { cwd: root, env, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal sends Ctrl-C to the child as well.
    process.on(signal, () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.once("error", (error) => {
    console.error(`${file}: ${error.message}`);
    process.exit(1);
  });
  child.once("close", (status) => process.exit(status ?? 1));
}
