import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import type { StackOptions } from "./options.js";
import type { Server } from "./processes.js";

export function redisServer(options: StackOptions): Server {
  const folder = join(options.directory, "redis");
  const data = join(folder, "data");
  const config = join(folder, "redis.conf");
  const settings = redisConfig(data, options.ports.redis);
  return {
    name: "redis",
    port: options.ports.redis,
    command: "redis-server",
    args: [config],
    folder,
    settings,
    async prepare() {
      await mkdir(data, { recursive: true });
      await writeFile(config, settings);
    },
    ready: () => ping(options.ports.redis),
  };
}

export function redisConfig(data: string, port: number): string {
  return `# Written by stack up; changes are lost at the next start.
bind 127.0.0.1
port ${port}
dir ${JSON.stringify(data)}
daemonize no
# The command line stays as it is: it is how stack down recognises the process.
set-proc-title no
# As in production: every write is in the log, at most a second of it is lost in a crash.
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
`;
}

/** Redis answers -LOADING until its data is read. */
async function ping(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: 1000 });
    socket.once("error", reject);
    socket.once("timeout", () => socket.destroy(new Error("no answer to PING")));
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (answer) => {
      if (answer.toString().startsWith("+PONG")) resolve();
      else reject(new Error(answer.toString().trim()));
      socket.destroy();
    });
    socket.once("close", () => reject(new Error("closed before it answered PING")));
  });
}
