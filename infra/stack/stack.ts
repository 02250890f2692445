/**
 * The real servers that Marquetry runs on, on this machine: Kafka, Redis, Qdrant (or its engine).
 *
 * Everything is on 127.0.0.1 and in one folder; the servers survive the program that started them.
 * Tests give each stack a temporary folder and `freePorts()`.
 */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { dockerDown, dockerStart, dockerStatus, dockerStop, dockerUp } from "./docker.js";
import { hostDown, hostStart, hostStatus, hostStop, hostUp } from "./host.js";
import { stackUrls } from "./options.js";
import type { ServerName, ServerStatus, StackOptions, StackPorts, StackUrls } from "./options.js";
import { topicTable } from "./topic-table.js";
import { awaitBroker, createTopics } from "./topics.js";

const BROKER_TIMEOUT_MS = 60_000;

/**
 * Starts what is not running, waits until all of it answers, creates the topics. Idempotent.
 * @throws StackError that names the server and shows the end of its log
 */
export async function stackUp(options: StackOptions): Promise<StackUrls> {
  await (options.engine === "docker" ? dockerUp(options) : hostUp(options));
  const urls = stackUrls(options.ports);
  const created = await createTopics(urls.kafkaBrokers, topicTable(), BROKER_TIMEOUT_MS);
  if (created.length > 0) options.report(`created the topics ${created.join(", ")}`);
  return urls;
}

/** Stops all servers; with `wipe` their data goes too. Nothing running is no error. */
export async function stackDown(options: StackOptions, { wipe = false } = {}): Promise<void> {
  await (options.engine === "docker" ? dockerDown(options, wipe) : hostDown(options, wipe));
}

export async function stackStatus(options: StackOptions): Promise<ServerStatus[]> {
  return options.engine === "docker" ? dockerStatus(options) : hostStatus(options);
}

/** Ends one server of a running stack, by SIGKILL as a crash would. Resolves once it is gone. */
export async function stopServer(
  options: StackOptions,
  name: ServerName,
  signal: "SIGTERM" | "SIGKILL" = "SIGTERM",
): Promise<void> {
  await (options.engine === "docker" ? dockerStop : hostStop)(options, name, signal);
}

/** Starts one server on the data it had. Resolves once it takes requests. */
export async function startServer(options: StackOptions, name: ServerName): Promise<void> {
  await (options.engine === "docker" ? dockerStart : hostStart)(options, name);
  if (name === "kafka") await awaitBroker(stackUrls(options.ports).kafkaBrokers, BROKER_TIMEOUT_MS);
}

/** Four ports that nothing listens on now. */
export async function freePorts(): Promise<StackPorts> {
  const holders = await Promise.all(Array.from({ length: 4 }, holdPort));
  const [kafka, kafkaController, redis, qdrant] = holders.map(({ port }) => port);
  await Promise.all(holders.map((holder) => holder.release()));
  return { kafka: kafka!, kafkaController: kafkaController!, redis: redis!, qdrant: qdrant! };
}

async function holdPort(): Promise<{ port: number; release(): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { port, release: () => new Promise((resolve) => server.close(() => resolve())) };
}
