/** `npm start [-- SERVICE]`: one service as its container runs it, or all four in one process. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

const HELP = `npm start [-- SERVICE]

Starts encoder, fusion, user-profile or ranking-gateway, or without a name all four in one process.
Environment variables say where Kafka, Qdrant and Redis are: docs/operations.md.
`;

function main(): void {
  const [service = "standalone"] = process.argv.slice(2);
  const file = `apps/${service}/dist/src/main.js`;
  if (service === "--help" || !existsSync(file)) {
    process.stderr.write(HELP);
    process.exitCode = service === "--help" ? 0 : 2;
    return;
  }
  const child = spawn(process.execPath, [file], { stdio: "inherit" });
  // Ctrl-C reaches the child through the terminal; other senders reach this process only.
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGINT", () => undefined);
  child.once("close", (code) => (process.exitCode = code ?? 1));
}

main();
