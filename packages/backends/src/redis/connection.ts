/** Redis as every port on it needs it: a single server or a cluster, found again by itself. */
import { setTimeout as pause } from "node:timers/promises";
import { Cluster, Redis } from "ioredis";
import type { RedisOptions } from "ioredis";
import { MarquetryError } from "@marquetry/runtime/errors";

export type RedisServer = Redis;
/** What is used of a client; a single server's and a cluster's are the same in it. */
export type RedisClient = Omit<Redis, "cluster">;

interface RedisConnection<Client> {
  readonly client: Client;
  /** The servers that hold keys; only known once connected. */
  readonly masters: () => readonly RedisServer[];
  /**
   * Runs a command; connects with the first one. Fails fast while Redis is unavailable.
   * @throws MarquetryError `unavailable`, or `internal` for what Redis refuses as wrong
   */
  readonly reach: <Result>(command: () => Promise<Result>) => Promise<Result>;
  close(): Promise<void>;
}

interface RedisConnectionOptions {
  /** Names the port in messages, such as "the profile store". */
  readonly purpose: string;
  /** Lua by the name of the command that it becomes. */
  readonly scripts: Readonly<
    Record<string, { readonly lua: string; readonly numberOfKeys: number }>
  >;
  /** How long a request may wait for Redis. Default: 1,000. */
  readonly commandTimeoutMs?: number;
}

const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** Silence after which a connection with open commands is dropped and made anew. */
const SOCKET_TIMEOUT_MS = 3_000;
const RECONNECT_PAUSE_MS_MAX = 1_000;

/**
 * A single server (`redis://host:6379/0`, `rediss://` for TLS) or a cluster, of which the URL names
 * one node (`redis://host:6379?cluster=true`). Nothing is connected yet.
 */
export function openRedis<Client>(
  url: string,
  options: RedisConnectionOptions,
): RedisConnection<Client> {
  const { client, masters, lastError } = createClient(url, options);
  let connecting: Promise<void> | undefined;

  function unavailable(cause: unknown): MarquetryError {
    return new MarquetryError("unavailable", `${options.purpose} is out of reach`, { cause });
  }

  /** A cluster whose nodes are all unavailable goes on looking for them and never settles its `connect()`. */
  async function firstConnection(): Promise<void> {
    const tooLate = pause(CONNECT_TIMEOUT_MS, undefined, { ref: false }).then(() => {
      throw unavailable(`no connection within ${CONNECT_TIMEOUT_MS} ms`);
    });
    await Promise.race([client.connect(), tooLate]);
  }

  /**
   * What Redis refuses as wrong is a mistake of ours; everything else (no connection, a timeout, no
   * access, loading, a replica, a full memory) passes once somebody has seen to Redis.
   */
  function wrapped(error: unknown): MarquetryError {
    if (error instanceof MarquetryError) return error;
    const message = error instanceof Error ? error.message : String(error);
    if (/^(ERR|WRONGTYPE|CROSSSLOT|NOSCRIPT)\b/.test(message) || error instanceof TypeError) {
      const refused = `${options.purpose} refused a command`;
      return new MarquetryError("internal", refused, { cause: error });
    }
    return unavailable(error);
  }

  return {
    client: client as unknown as Client,
    masters,
    async reach(command) {
      try {
        if (client.status === "wait") connecting = firstConnection();
        // Only the first connection is waited for: later ones may take as long as Redis is unavailable.
        if (connecting !== undefined) {
          await connecting.finally(() => {
            connecting = undefined;
          });
        }
        if (client.status !== "ready") throw unavailable(lastError() ?? client.status);
        return await command();
      } catch (error) {
        throw wrapped(error);
      }
    },
    async close() {
      if (client.status === "ready") await client.quit().catch(() => undefined);
      client.disconnect();
    },
  };
}

interface Created {
  readonly client: Pick<RedisClient, "status" | "connect" | "disconnect" | "quit">;
  readonly masters: () => readonly RedisServer[];
  /** Why there is no connection, for the logs. */
  readonly lastError: () => unknown;
}

function createClient(url: string, options: RedisConnectionOptions): Created {
  const parsed = new URL(url);
  const clustered = parsed.searchParams.get("cluster") === "true";
  parsed.searchParams.delete("cluster");

  const commands: RedisOptions = {
    commandTimeout: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // An unanswered command is sent again on the next connection, once: every command of ours may
    // run twice.
    maxRetriesPerRequest: 1,
    // A master that became a replica: connect again, to the one that is master now.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
  const sending = {
    lazyConnect: true,
    // Nothing piles up in the process while Redis is unavailable.
    enableOfflineQueue: false,
    // Commands of one turn of the event loop leave in one batch, in a cluster one for each node.
    enableAutoPipelining: true,
    scripts: { ...options.scripts },
  };
  function reconnectPauseMs(times: number): number {
    return Math.min(50 * times, RECONNECT_PAUSE_MS_MAX);
  }
  let lastError: unknown;
  // An emitter without a listener for errors would end the process.
  function onError(error: unknown): void {
    lastError = error;
  }

  if (!clustered) {
    const redis = new Redis(parsed.href, {
      ...commands,
      ...sending,
      retryStrategy: reconnectPauseMs,
    });
    redis.on("error", onError);
    return { client: redis, masters: () => [redis], lastError: () => lastError };
  }
  const cluster = new Cluster([{ host: parsed.hostname, port: Number(parsed.port || 6379) }], {
    ...sending,
    clusterRetryStrategy: reconnectPauseMs,
    redisOptions: {
      ...commands,
      ...(parsed.username && { username: decodeURIComponent(parsed.username) }),
      ...(parsed.password && { password: decodeURIComponent(parsed.password) }),
      ...(parsed.protocol === "rediss:" && { tls: {} }),
    },
  });
  cluster.on("error", onError);
  return {
    client: cluster as unknown as Created["client"],
    masters: () => cluster.nodes("master"),
    lastError: () => lastError,
  };
}
