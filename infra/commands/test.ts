/** `npm test`: every test, on memory and on the real stack, which it starts on free ports and stops.
 * `KAFKA_BROKERS`, `REDIS_URL` and `QDRANT_URL`, where set, stand in for the stack's servers. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { fetchEncoders } from "../models/models.js";
import { stackCacheDirectory } from "../stack/config.js";
import type { StackOptions } from "../stack/options.js";
import { installVideoDecoder } from "../stack/prerequisites.js";
import { freePorts, stackDown, stackUp } from "../stack/stack.js";

const HELP = `npm test [-- JEST ARGUMENTS]

Fetches the encoders, starts Kafka, Redis and Qdrant's engine on free ports, runs every test and
stops the servers. Arguments go to Jest: npm test -- packages/model
With arguments, tests run one by one.

  KAFKA_BROKERS, REDIS_URL, QDRANT_URL   servers that already run (all three: none is started)
`;

const SERVER_VARIABLES = ["KAFKA_BROKERS", "REDIS_URL", "QDRANT_URL"] as const;

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    console.log(HELP);
    return 0;
  }
  const report = (line: string): void => console.error(line);
  const models = modelsDirectory(process.env);
  await fetchEncoders({ directory: models, report });
  // Without it the tests of videos say themselves that they are skipped, or fail where CI is set.
  await installVideoDecoder({ report }).catch((error: unknown) => report(String(error)));
  const env = { ...process.env, MODELS_DIR: models };
  if (SERVER_VARIABLES.every((name) => process.env[name])) return runTests(args, env);

  const directory = await mkdtemp(join(tmpdir(), "marquetry-test-"));
  const stack: StackOptions = {
    directory,
    cacheDirectory: stackCacheDirectory(process.env),
    ports: await freePorts(),
    engine: "host",
    report,
  };
  try {
    const urls = await stackUp(stack);
    return await runTests(args, {
      KAFKA_BROKERS: urls.kafkaBrokers.join(","),
      REDIS_URL: urls.redisUrl,
      QDRANT_URL: urls.qdrantUrl,
      ...env,
    });
  } finally {
    await stackDown(stack, { wipe: true });
    await rm(directory, { recursive: true, force: true });
  }
}

/** Everything else two at a time, then the journeys one by one: they measure delays. */
const JOURNEYS = "apps/standalone/dist/test";
const PHASES = [
  ["--maxWorkers=2", "--testPathIgnorePatterns", JOURNEYS],
  ["--runInBand", JOURNEYS],
] as const;

interface Counts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  /** Files that could not even be loaded have no test that failed. */
  readonly numRuntimeErrorTestSuites: number;
}

async function runTests(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (args.length > 0) return jest(["--runInBand", ...args], env);
  const results = await mkdtemp(join(tmpdir(), "marquetry-results-"));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const [at, phase] of PHASES.entries()) {
      const file = join(results, `${at}.json`);
      const code = await jest([...phase, "--json", "--outputFile", file], env);
      const run = JSON.parse(await readFile(file, "utf8")) as Counts;
      counts.passed += run.numPassedTests;
      counts.failed += run.numFailedTests + run.numRuntimeErrorTestSuites;
      counts.skipped += run.numPendingTests;
      // A run that ends badly without a failed test, such as by a threshold, is a failure too.
      if (code !== 0 && run.numFailedTests + run.numRuntimeErrorTestSuites === 0)
        counts.failed += 1;
    }
  } finally {
    await rm(results, { recursive: true, force: true });
  }
  process.on("exit", () => {
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  });
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

function jest(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn("jest", ["--config", "jest.config.mjs", ...args], {
    // The results go to a file; on stdout they would only repeat it.
    stdio: ["inherit", args.includes("--json") ? "ignore" : "inherit", "inherit"],
    env: {
      ...env,
      NODE_OPTIONS: `${env["NODE_OPTIONS"] ?? ""} --experimental-vm-modules --no-warnings`,
    },
  });
  // The tests end by themselves; a signal to this process reaches the child through its group.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
