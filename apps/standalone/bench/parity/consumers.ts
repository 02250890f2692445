import type { Platform } from "../../src/platform.js";

const PAUSE_MS = 50;
const WAIT_MS_MAX = 30 * 60_000;

/** Resolves when fusion and user-profile have settled all records, as their metrics say. */
export async function consumersSettled({ healthPorts }: Platform): Promise<void> {
  const until = Date.now() + WAIT_MS_MAX;
  for (const service of ["fusion", "user-profile"] as const) {
    const name = `marquetry_${service.replace("-", "_")}_consumer_lag_records`;
    while ((await metricOf(healthPorts[service], name)) !== 0) {
      if (Date.now() > until) throw new Error(`${service} still has records after 30 minutes`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** NaN where the metric is not there yet. */
async function metricOf(port: number, name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const line = (await answer.text()).split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.split(" ").at(-1));
}
