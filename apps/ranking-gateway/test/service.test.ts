/** The server around the calls: health, reflection, deadlines, the bound on calls, the process. */
import { once } from "node:events";
import { afterEach, describe, expect, test } from "@jest/globals";
import { Client, credentials } from "@grpc/grpc-js";
import { RecommendationService } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { Bundle } from "@marquetry/model/bundle";
import { killProcesses, runNode } from "@marquetry/testing/node-process";
import { PLANE, idsOf, product, startHarness, until } from "./harness.js";
import { refusal } from "./client.js";

const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** One request of grpc.reflection.v1: field `number` of its request, a string. */
async function reflect(port: number, number: number, value: string): Promise<string> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  clients.push(client);
  const stream = client.makeBidiStreamRequest<Uint8Array, Buffer>(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    (bytes) => Buffer.from(bytes),
    (bytes) => bytes,
  );
  const bytes = Buffer.from(value);
  stream.write(Buffer.concat([Uint8Array.of((number << 3) | 2, bytes.length), bytes]));
  const [answer] = (await once(stream, "data")) as [Buffer];
  stream.end();
  return answer.toString("latin1");
}

describe("the server", () => {
  test.each(["", RecommendationService.typeName])(
    "the health service says that %j is SERVING",
    async (service) => {
      const { client } = await startHarness();
      expect(await client.health(service)).toBe("SERVING");
    },
  );

  test("reflection lists the service and hands out its file", async () => {
    const { port } = await startHarness();
    const { typeName } = RecommendationService;
    expect(await reflect(port, 7, "")).toContain(typeName);
    expect(await reflect(port, 4, typeName)).toContain("RecommendRequest");
  });

  test("it is ready once there is a catalogue", async () => {
    const readiness = async (http: string) => {
      const response = await fetch(`${http}/readyz`);
      return [response.status, (await response.json()) as object] as const;
    };
    const harness = await startHarness();
    expect((await readiness(harness.http))[0]).toBe(200);
    harness.gates.reads.unavailable = true;
    // It can do without profiles.
    expect(await readiness(harness.http)).toEqual([
      200,
      expect.objectContaining({ ready: true, degraded: true }),
    ]);
    harness.gates.index.unavailable = true;
    expect((await readiness(harness.http))[0]).toBe(503);
    const never = await startHarness({ collection: false });
    expect(await readiness(never.http)).toEqual([
      503,
      expect.objectContaining({
        checks: expect.objectContaining({
          "vector index": "ok",
          catalogue: expect.stringContaining("no catalogue yet"),
        }),
      }),
    ]);
  });

  test("a deadline that passes is DEADLINE_EXCEEDED, and the next call is answered", async () => {
    const { client, gates, put } = await startHarness();
    await put(product("a"));
    gates.index.hold();
    const late = client.recommend({ userId: "u" }, { timeoutMs: 100 });
    expect((await refusal(late))[0]).toBe("DEADLINE_EXCEEDED");
    gates.index.release();
    expect(idsOf(await client.recommend({ userId: "u" }))).toEqual(["a"]);
  });

  test("more calls than CALLS_MAX are RESOURCE_EXHAUSTED; the others are answered", async () => {
    const { client, gates, put } = await startHarness({ callsMax: 2 });
    await put(product("a"));
    gates.scans.hold();
    const accepted = [client.recommend({ userId: "u" }), client.recommend({ userId: "v" })];
    await until("two calls are at work", () => gates.scans.waiting === 2);
    expect(await refusal(client.recommend({ userId: "w" }))).toEqual([
      "RESOURCE_EXHAUSTED",
      "more than 2 calls are at work",
    ]);
    gates.scans.release();
    for (const answer of await Promise.all(accepted)) expect(idsOf(answer)).toEqual(["a"]);
    expect(idsOf(await client.recommend({ userId: "w" }))).toEqual(["a"]);
  });

  test("work that outlives its deadline counts until it ends", async () => {
    const { client, gates } = await startHarness({ callsMax: 1 });
    gates.scans.hold();
    const late = client.recommend({ userId: "u" }, { timeoutMs: 100 });
    expect((await refusal(late))[0]).toBe("DEADLINE_EXCEEDED");
    expect((await refusal(client.recommend({ userId: "u" })))[0]).toBe("RESOURCE_EXHAUSTED");
    gates.scans.release();
    await until("there is room again", () =>
      client.recommend({ userId: "u" }).then(
        () => true,
        () => false,
      ),
    );
  });

  test("an interest that does not fit the catalogue is our mistake, not the caller's", async () => {
    // A dot product leaves the check of the dimensions to the index.
    const bundle: Bundle = { ...PLANE, similarity: { kind: "dot" } };
    const { client, put, putUser } = await startHarness({ bundle });
    await put(product("a", { degrees: 0 }));
    const userId = await putUser(Float32Array.of(1, 0, 0));
    expect(await refusal(client.recommend({ userId }))).toEqual([
      "INTERNAL",
      "an internal error happened",
    ]);
  });

  test("calls are measured by method and status, degraded answers by reason", async () => {
    const { client, http } = await startHarness();
    await client.recommend({ userId: "u" });
    await refusal(client.recommend({ userId: "u", limit: 0 }));
    const lines = (await (await fetch(`${http}/metrics`)).text()).split("\n");
    const prefix = "marquetry_ranking_gateway_";
    for (const line of [
      'call_seconds_count{method="Recommend",status="OK"} 1',
      'call_seconds_count{method="Recommend",status="INVALID_ARGUMENT"} 1',
      'degraded_answers_total{reason="unknown_user"} 1',
    ])
      expect(lines).toContain(prefix + line);
  });
});

describe("the process", () => {
  afterEach(killProcesses);

  async function run(variables: Readonly<Record<string, string>>) {
    const main = new URL("../src/main.js", import.meta.url);
    const { code, err } = await runNode(main, variables).ended;
    return { exit: code, lines: err.trimEnd().split("\n").sort() };
  }

  test("wrong variables end it with status 2 and one line per mistake", async () => {
    const { exit, lines } = await run({
      VECTOR_INDEX_URL: "ftp://somewhere",
      GRPC_PORT: "99999",
      CALLS_MAX: "0",
      LOG_LEVEL: "silent",
    });
    expect(exit).toBe(2);
    expect(lines).toEqual([
      expect.stringMatching(/^CALLS_MAX: .*1 to 100000/),
      expect.stringMatching(/^GRPC_PORT: .*0 to 65535.*99999/),
      expect.stringMatching(/^PROFILE_STORE_URL: .*not set/),
      expect.stringMatching(/^VECTOR_INDEX_URL: .*http: or https: or memory:.*ftp/),
    ]);
  });

  test("a port that is taken ends it with status 1 and says which", async () => {
    const { port } = await startHarness();
    const { exit, lines } = await run({
      VECTOR_INDEX_URL: "memory:",
      PROFILE_STORE_URL: "memory:",
      HTTP_PORT: "0",
      GRPC_PORT: String(port),
      LOG_LEVEL: "silent",
    });
    expect(exit).toBe(1);
    expect(lines).toContainEqual(expect.stringMatching(`EADDRINUSE.*:${port}`));
  });
});
