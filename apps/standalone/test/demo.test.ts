/** The demo as a newcomer runs it, called by a gRPC client that is not ours. */
import { execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { parse } from "csv-parse/sync";
import type { DemoDocument } from "../src/demo-document.js";

const DEMO = "apps/standalone/dist/src/demo.js";
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

function servedPort(demo: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    demo.once("exit", () => reject(new Error("the demo ended before it served")));
    if (demo.stderr === null) return;
    createInterface({ input: demo.stderr }).on("line", (line) => {
      const match = /serving gRPC on 127\.0\.0\.1:(\d+)/.exec(line);
      if (match?.[1] !== undefined) resolve(match[1]);
    });
  });
}

describe("npm run demo", () => {
  test(
    "prints one JSON document: each shopper gets new products of the bought kind more than others do",
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        DEMO,
        "--once",
        "--json",
        "--port",
        "0",
      ]);
      const demo = JSON.parse(stdout) as DemoDocument;
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
      const demo = spawn(process.execPath, [DEMO, "--port", "0"], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const ended = new Promise<number | null>((resolve) => demo.once("exit", resolve));
      try {
        const base = `http://127.0.0.1:${await servedPort(demo)}`;
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
        demo.kill("SIGINT");
      }
      expect(await ended).toBe(0);
    },
    DEMO_MS_MAX,
  );

  test("an unknown catalogue ends with one line and status 1", async () => {
    const run = promisify(execFile)(process.execPath, [DEMO, "--once", "--catalog", "/nowhere"]);
    await expect(run).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/demo: .*expected a catalogue/),
    });
  });
});
