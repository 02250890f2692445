/** The stack as processes of this machine: Kafka on Java, Redis, Qdrant's engine on Python. */
import { mkdir, rm } from "node:fs/promises";
import { kafkaServer } from "./kafka.js";
import { StackError } from "./options.js";
import type { ServerName, ServerStatus, StackOptions } from "./options.js";
import { installPrerequisites, prerequisitePlaces } from "./prerequisites.js";
import type { Prerequisites } from "./prerequisites.js";
import {
  awaitReady,
  connectTo,
  hasOtherSettings,
  residentBytes,
  runningPid,
  startProcess,
  stopProcess,
} from "./processes.js";
import type { Server } from "./processes.js";
import { qdrantServer } from "./qdrant.js";
import { redisServer } from "./redis.js";

const READY_TIMEOUT_MS: Readonly<Record<ServerName, number>> = {
  kafka: 90_000,
  redis: 30_000,
  qdrant: 60_000,
};
const STOP_TIMEOUT_MS = 20_000;

/** Starts what is not running and waits until all answer. */
export async function hostUp(options: StackOptions): Promise<void> {
  const places = await installPrerequisites(options);
  await mkdir(options.directory, { recursive: true });
  const outcomes = await Promise.allSettled(
    hostServers(options, places).map((server) => upOne(server, options)),
  );
  const failures = outcomes.filter((outcome) => outcome.status === "rejected");
  if (failures.length === 1) throw failures[0]!.reason;
  if (failures.length > 1) {
    throw new StackError(failures.map(({ reason }) => String(reason.message ?? reason)).join("\n"));
  }
}

export async function hostDown(options: StackOptions, wipe: boolean): Promise<void> {
  await Promise.all(
    hostServers(options).map(async (server) => {
      const outcome = await stopProcess(server, "SIGTERM", STOP_TIMEOUT_MS);
      options.report(`${server.name}: ${outcome}`);
    }),
  );
  if (!wipe) return;
  // Only what up has made: the directory may be one that holds other things too.
  for (const { folder } of hostServers(options)) await rm(folder, { recursive: true, force: true });
  options.report(`deleted the data in ${options.directory}`);
}

export async function hostStatus(options: StackOptions): Promise<ServerStatus[]> {
  return Promise.all(
    hostServers(options).map(async (server) => {
      const { name, port } = server;
      const pid = runningPid(server);
      if (pid === undefined) return { name, up: false, detail: "not running" };
      const failure = await server.ready().then(() => undefined, String);
      const detail = `127.0.0.1:${port}, pid ${pid}, ${megabytes(residentBytes(pid))}`;
      if (failure === undefined) return { name, up: true, detail };
      return { name, up: false, detail: `${detail}, does not answer: ${failure}` };
    }),
  );
}

export async function hostStart(options: StackOptions, name: ServerName): Promise<void> {
  await upOne(hostServer(options, name), options);
}

export async function hostStop(
  options: StackOptions,
  name: ServerName,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  await stopProcess(hostServer(options, name), signal, STOP_TIMEOUT_MS);
}

async function upOne(server: Server, options: StackOptions): Promise<void> {
  const running = runningPid(server);
  if (running === undefined) {
    await checkPortIsFree(server);
    await startProcess(server);
  } else if (hasOtherSettings(server)) {
    throw new StackError(
      `${server.name} (pid ${running}) runs with other settings: stop it first (stack:down)`,
    );
  }
  await awaitReady(server, READY_TIMEOUT_MS[server.name]);
  const verb = running === undefined ? "started" : "was already up";
  options.report(`${server.name}: ${verb}, 127.0.0.1:${server.port}, pid ${runningPid(server)}`);
}

async function checkPortIsFree(server: Server): Promise<void> {
  const inUse = await connectTo(server.port).then(
    () => true,
    () => false,
  );
  if (!inUse) return;
  const variable = `MARQUETRY_STACK_${server.name.toUpperCase()}_PORT`;
  throw new StackError(
    `${server.name}: port ${server.port} of 127.0.0.1 is taken by a process that is not of this stack; stop that or set ${variable}`,
  );
}

function hostServers(
  options: StackOptions,
  places: Prerequisites = prerequisitePlaces(options.cacheDirectory),
): Server[] {
  return [
    kafkaServer(options, places.kafkaLibraries),
    redisServer(options),
    qdrantServer(options, places.python),
  ];
}

function hostServer(options: StackOptions, name: ServerName): Server {
  return hostServers(options).find((server) => server.name === name)!;
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? "memory unknown" : `${Math.round(bytes / 1e6)} MB`;
}
