/** A small service for `run-service.test.ts`, which runs it in a process of its own. `FAULT`
 * says how it goes wrong; it writes a line for each step to stdout, as plain text. */
import { z } from "zod";
import { integer, readConfig, serviceConfig, url } from "../src/config.js";
import { runService } from "../src/lifecycle.js";

const schema = z.object({
  ...serviceConfig,
  BUS_URL: url("memory"),
  WORKERS: integer(1, 8).default(1),
  FAULT: z.string().default("none"),
});

const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const hang = (): Promise<never> => new Promise(() => undefined);

process.on("SIGINT", () => say("interrupted"));
await runService(
  "test",
  () => readConfig(schema, process.env),
  async ({ FAULT }, { closers, fail }) => {
    closers.add("first", () => void say("first closed"));
    closers.add("last", async () => {
      say("closing");
      if (FAULT.includes("hanging-close")) await hang();
      if (FAULT === "slow-close") await new Promise((resolve) => process.once("SIGUSR2", resolve));
      say("last closed");
    });
    if (FAULT === "hanging-start") {
      say("starting");
      await hang();
    }
    if (FAULT.startsWith("failed-start"))
      throw new Error("the bus is away", { cause: new Error("ECONNREFUSED") });
    if (FAULT === "failure") setImmediate(() => fail(new Error("the group is fenced")));
    say("ready");
  },
);
