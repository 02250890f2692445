/** The demo as a newcomer runs it, called by a gRPC client that is not ours. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "@jest/globals";
import { killProcesses, runNode } from "@marquetry/testing/node-process";
import { parse } from "csv-parse/sync";
import type { DemoDocument } from "../src/demo-document.js";

const DEMO = new URL("../src/demo.js", import.meta.url);
const SERVICE = "marquetry.ranking.v1.RecommendationService";
const DEMO_MS_MAX = 240_000;

/** buf's own gRPC client; it learns the messages by reflection. */
async function curl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    "buf",
    ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args],
    { timeout: 30_000 },
  );
  return stdout;
}

afterEach(killProcesses);

describe("npm run demo", () => {
  test(
    "prints one JSON document: each shopper gets new products of the bought kind more than others do",
    async () => {
      const { out } = await runNode(DEMO, process.env, "--once", "--json", "--port", "0").ended;
      const demo = JSON.parse(out) as DemoDocument;
      expect(demo.catalogue.products).toBe(54);
      expect(Object.keys(demo.encoders)).toEqual(["text", "image"]);
      expect(demo.shoppers).toHaveLength(3);
      const rows = parse<{ id: string; categories: string }>(
        await readFile(join(demo.catalogue.source, "products.csv"), "utf8"),
        { columns: true },
      );
      const kindOf = (id: string): string | undefined =>
        rows.find((row) => row.id === id)?.categories;
      const bought = demo.shoppers.map(({ history }) =>
        kindOf(history.findLast(({ action }) => action === "purchase")?.product_id ?? ""),
      );
      expect(new Set(bought).size).toBe(3);
      for (const [at, { history, recommendations }] of demo.shoppers.entries()) {
        expect(recommendations).toHaveLength(5);
        const seen = new Set(history.map(({ product_id }) => product_id));
        for (const { product_id, score, parts } of recommendations) {
          expect(seen.has(product_id)).toBe(false);
          expect(parts.similarity + parts.popularity + parts.freshness).toBeCloseTo(score, 9);
        }
        const ofKind = (kind: string | undefined): number =>
          recommendations.filter(({ product_id }) => kindOf(product_id) === kind).length;
        const others = bought.filter((_, other) => other !== at).map(ofKind);
        expect(ofKind(bought[at])).toBeGreaterThan(Math.max(...others));
      }
    },
    DEMO_MS_MAX,
  );

  test(
    "keeps serving gRPC, with reflection, until Ctrl-C",
    async () => {
      const { child, wrote, ended } = runNode(DEMO, process.env, "--port", "0");
      try {
        const base = `http://127.0.0.1:${(await wrote(/serving gRPC on 127\.0\.0\.1:(\d+)/))[1]}`;
        expect(await curl("--list-services", base)).toContain(SERVICE);
        const answer = await curl(
          "-d",
          '{"userId":"shopper-1","limit":3}',
          `${base}/${SERVICE}/Recommend`,
        );
        const { items, strategy } = JSON.parse(answer) as { items: unknown[]; strategy: string };
        expect(items).toHaveLength(3);
        expect(strategy).toBe("STRATEGY_PERSONALISED");
      } finally {
        child.kill("SIGINT");
      }
      expect((await ended).code).toBe(0);
    },
    DEMO_MS_MAX,
  );

  test("an unknown catalogue ends with one line and status 1", async () => {
    const { ended } = runNode(DEMO, process.env, "--once", "--catalog", "/nowhere");
    expect(await ended).toMatchObject({
      code: 1,
      err: expect.stringMatching(/demo: .*expected a catalogue/),
    });
  });
});
