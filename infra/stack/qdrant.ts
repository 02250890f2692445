import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StackOptions } from "./options.js";
import type { Server } from "./processes.js";

/** `python` is the interpreter of the environment that holds the engine. */
export function qdrantServer(options: StackOptions, python: string): Server {
  const folder = join(options.directory, "qdrant");
  const data = join(folder, "data");
  const port = options.ports.qdrant;
  const service = fileURLToPath(new URL("../../stack/qdrant/server.py", import.meta.url));
  // -B: no compiled files beside the sources. -I would hide the service's own modules.
  const args = ["-B", service, "--port", String(port), "--data", data];
  return {
    name: "qdrant",
    port,
    command: python,
    args,
    folder,
    settings: args.join(" "),
    async prepare() {
      await mkdir(data, { recursive: true });
    },
    async ready() {
      const url = `http://127.0.0.1:${port}/readyz`;
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
      if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    },
  };
}
