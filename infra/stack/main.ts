/** The command behind `npm run stack:up`, `stack:down` and `stack:status`. */
import { parseArgs } from "node:util";
import { readStackConfig } from "./config.js";
import { dockerAnswers } from "./docker.js";
import { StackError } from "./options.js";
import type { StackOptions } from "./options.js";
import { stackDown, stackStatus, stackUp } from "./stack.js";

const HELP = `usage: npm run stack:up
       npm run stack:status
       npm run stack:down [-- --wipe]

Kafka, Redis and Qdrant on 127.0.0.1, with Marquetry's topics: as containers where a Docker engine
answers, else as processes of this machine (Kafka from its jars, Redis from the system's package,
Qdrant's engine on Python). They run on until stack:down; --wipe deletes their data too.
stack:status prints one line per server and succeeds only when all are up.

environment                              default
MARQUETRY_STACK_KAFKA_PORT               9092
MARQUETRY_STACK_KAFKA_CONTROLLER_PORT    9093
MARQUETRY_STACK_REDIS_PORT               6379
MARQUETRY_STACK_QDRANT_PORT              6333
MARQUETRY_STACK_DIR                      .local/stack (data, logs, pid files)
MARQUETRY_STACK_ENGINE                   auto (or docker, host)
XDG_CACHE_HOME                           ~/.cache (downloads, in marquetry/stack)`;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseCommand(args);
  const [command = "", ...rest] = positionals;
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (
    !["up", "down", "status"].includes(command) ||
    rest.length > 0 ||
    (values.wipe && command !== "down")
  ) {
    console.error(HELP);
    return 2;
  }
  const options = await readOptions();
  switch (command) {
    case "up":
      await up(options);
      return 0;
    case "down":
      await stackDown(options, { wipe: values.wipe });
      return 0;
    default:
      return status(options);
  }
}

function parseCommand(args: string[]) {
  const options = { help: { type: "boolean", short: "h" }, wipe: { type: "boolean" } } as const;
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new StackError(`${(error as Error).message}\n\n${HELP}`);
  }
}

async function readOptions(): Promise<StackOptions> {
  const config = readStackConfig(process.env);
  const engine =
    config.engine === "auto" ? ((await dockerAnswers()) ? "docker" : "host") : config.engine;
  return { ...config, engine, report: (line) => console.log(line) };
}

async function up(options: StackOptions): Promise<void> {
  const urls = await stackUp(options);
  console.log(
    `\nKafka   ${urls.kafkaBrokers.join(",")}\nRedis   ${urls.redisUrl}\nQdrant  ${urls.qdrantUrl}`,
  );
}

async function status(options: StackOptions): Promise<number> {
  const servers = await stackStatus(options);
  for (const { name, up: isUp, detail } of servers) {
    console.log(`${name.padEnd(7)} ${isUp ? "up  " : "down"}  ${detail}`);
  }
  return servers.every((server) => server.up) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof StackError ? `stack: ${error.message}` : error);
  process.exitCode = 1;
}
