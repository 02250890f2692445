import { afterEach, describe, expect, test } from "@jest/globals";
import { killProcesses, runNode } from "@marquetry/testing/node-process";

const SERVICE = new URL("./service.js", import.meta.url);

afterEach(killProcesses);

function run(variables: Record<string, string> = {}) {
  return runNode(SERVICE, { HTTP_PORT: "0", LOG_LEVEL: "info", BUS_URL: "memory:", ...variables });
}

/** The plain lines of the service, without those of its log. */
const steps = (out: string): string[] => out.split("\n").filter((line) => /^[a-z]/.test(line));

describe("a service's process", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s closes everything in reverse order and ends with 0",
    async (signal) => {
      const { child, wrote, ended } = run();
      await wrote(/"started"/);
      child.kill(signal);
      const { code, out, err } = await ended;
      expect([code, err]).toEqual([0, ""]);
      const closed = steps(out).filter((line) => line !== "interrupted");
      expect(closed).toEqual(["ready", "closing", "last closed", "first closed"]);
      expect(out).toContain(`"signal":"${signal}"`);
    },
  );

  test("a wrong configuration ends with 2 and one line per mistake, before anything starts", async () => {
    const { code, out, err } = await run({ BUS_URL: "", WORKERS: "9", LOG_LEVEL: "loud" }).ended;
    expect(code).toBe(2);
    expect(err.split("\n")).toEqual([
      'LOG_LEVEL: expected debug, info, warn, error or silent (got "loud")',
      "BUS_URL: expected a URL that starts with memory: (it is not set)",
      'WORKERS: expected a whole number from 1 to 8 (got "9")',
      "",
    ]);
    expect(out).toBe("");
  });

  test("a start that fails closes what it opened and ends with 1 and the reason", async () => {
    const { code, out, err } = await run({ FAULT: "failed-start" }).ended;
    expect([code, err]).toEqual([1, "the bus is away: ECONNREFUSED\n"]);
    expect(steps(out)).toEqual(["closing", "last closed", "first closed"]);
  });

  test("a part that fails ends the service with 1, so that it is started again", async () => {
    const { code, out } = await run({ FAULT: "failure" }).ended;
    expect(code).toBe(1);
    expect(steps(out)).toEqual(["ready", "closing", "last closed", "first closed"]);
    expect(out).toContain("the group is fenced");
  });

  test("a close that hangs is cut short after SHUTDOWN_SECONDS and ends with 1", async () => {
    const { child, wrote, ended } = run({ FAULT: "hanging-close", SHUTDOWN_SECONDS: "1" });
    await wrote(/"started"/);
    child.kill("SIGTERM");
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toBe("SIGTERM: closing took more than 1 s and was cut short\n");
  });

  test("a start that fails and then hangs is cut short too, and says why it failed", async () => {
    const { code, err } = await run({
      FAULT: "failed-start hanging-close",
      SHUTDOWN_SECONDS: "1",
    }).ended;
    expect(code).toBe(1);
    expect(err).toContain("the bus is away: ECONNREFUSED: closing took more than 1 s");
  });

  test("a signal during a start that hangs ends the process too", async () => {
    const { child, wrote, ended } = run({ FAULT: "hanging-start", SHUTDOWN_SECONDS: "1" });
    await wrote(/starting/);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(1);
  });

  test("a second signal neither cuts the closing short nor starts it again", async () => {
    const { child, wrote, ended } = run({ FAULT: "slow-close" });
    await wrote(/"started"/);
    child.kill("SIGTERM");
    await wrote(/closing\n/);
    child.kill("SIGINT");
    await wrote(/interrupted/);
    child.kill("SIGUSR2");
    const { code, out } = await ended;
    expect(code).toBe(0);
    const expected = ["ready", "closing", "interrupted", "last closed", "first closed"];
    expect(steps(out)).toEqual(expected);
  });
});
