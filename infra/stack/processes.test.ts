import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { awaitReady, connectTo, runningPid, startProcess, stopProcess } from "./processes.js";
import type { Server } from "./processes.js";
import { freePorts } from "./stack.js";

let directory: string;
let server: Server;

beforeEach(async () => {
  directory = await newFolder();
  server = await program(`require("net").createServer().listen(PORT, "127.0.0.1")`);
});

afterEach(async () => {
  await stopProcess(server, "SIGKILL", 5_000);
  await removeFolders();
});

/** A server that runs the JavaScript, where PORT is its port. */
async function program(source: string): Promise<Server> {
  const { redis: port } = await freePorts();
  const folder = join(directory, "redis");
  return {
    name: "redis",
    port,
    command: process.execPath,
    args: ["-e", `/* ${folder}/ */ ${source.replaceAll("PORT", String(port))}`],
    folder,
    settings: "",
    async prepare() {},
    ready: () => connectTo(port),
  };
}

describe("a server process", () => {
  test("is started, found again by its pid file, and stopped", async () => {
    const pid = await startProcess(server);
    await awaitReady(server, 10_000);
    expect(runningPid(server)).toBe(pid);
    expect(await stopProcess(server, "SIGTERM", 5_000)).toBe("stopped");
    expect(runningPid(server)).toBeUndefined();
    expect(await stopProcess(server, "SIGTERM", 5_000)).toBe("not running");
  });

  test("that ends while starting is reported with its last words", async () => {
    server = await program(`console.error("no room for PORT"); process.exit(3)`);
    await startProcess(server);
    await expect(awaitReady(server, 10_000)).rejects.toThrow(
      new RegExp(`redis ended while starting.*\\n.*no room for ${server.port}`),
    );
  });

  test("that never answers is given up after the deadline", async () => {
    server = await program(`setInterval(() => {}, 1000)`);
    await startProcess(server);
    await expect(awaitReady(server, 100)).rejects.toThrow(/does not answer on port/);
  });

  test("that ignores SIGTERM is killed after the bound", async () => {
    server = await program(
      `process.on("SIGTERM", () => {}); require("net").createServer().listen(PORT, "127.0.0.1")`,
    );
    await startProcess(server);
    await awaitReady(server, 10_000);
    expect(await stopProcess(server, "SIGTERM", 200)).toBe("killed");
    expect(runningPid(server)).toBeUndefined();
  });

  test("whose command does not exist is reported by name", async () => {
    await expect(startProcess({ ...server, command: "no-such-program" })).rejects.toThrow(
      "redis: no-such-program does not start",
    );
  });

  test("is never mistaken for a stranger that got its pid", async () => {
    await startProcess(server);
    await stopProcess(server, "SIGKILL", 5_000);
    // This very process is alive, but it is not the server.
    const pidFile = join(server.folder, "redis.pid.json");
    await writeFile(pidFile, JSON.stringify({ pid: process.pid, settings: "" }));
    expect(runningPid(server)).toBeUndefined();
    expect(await stopProcess(server, "SIGKILL", 5_000)).toBe("not running");
  });
});
