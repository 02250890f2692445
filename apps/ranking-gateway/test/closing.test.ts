/** How the gateway ends: it says so first, answers what it accepted, and waits for no onlooker. */
import { once } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { RecommendationService } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { idsOf, product, startHarness, until } from "./harness.js";
import { createClient, refusal } from "./client.js";

/** When the server cuts short what is still open. */
const FORCED_AFTER_MS = 10_000;
/** A `ServerReflectionRequest` of field 7, `list_services`. */
const LIST_SERVICES = Buffer.from([0x3a, 0]);

describe("closing", () => {
  test("NOT_SERVING comes first, then calls at work are answered and new ones refused", async () => {
    const { client, close, gates, port, put } = await startHarness();
    await put(product("a"));
    const seen: string[] = [];
    for (const service of ["", RecommendationService.typeName]) {
      const watch = client.watchHealth(service);
      watch.on("data", ({ status }) => seen.push(status));
      watch.on("error", () => undefined);
    }
    await until("both watches are served", () => seen.length === 2);
    gates.scans.hold();
    const accepted = client.recommend({ userId: "u" });
    await until("the call is at work", () => gates.scans.waiting === 1);
    const closed = close();
    await until("both watches heard of the end", () => seen.length === 4);
    expect(seen.slice(2)).toEqual(["NOT_SERVING", "NOT_SERVING"]);
    const late = createClient(port);
    expect((await refusal(late.recommend({ userId: "u" })))[0]).toBe("UNAVAILABLE");
    late.close();
    expect(gates.scans.waiting).toBe(1);
    gates.scans.release();
    expect(idsOf(await accepted)).toEqual(["a"]);
    await closed;
  });

  test("clients that keep streams of health and reflection open hold nothing up", async () => {
    const { client, close } = await startHarness();
    const watch = client.watchHealth("");
    const seen: string[] = [];
    watch.on("data", ({ status }) => seen.push(status));
    const reflection = client.openReflection();
    const ended = [watch, reflection].map(async (stream) => once(stream, "end"));
    reflection.write(LIST_SERVICES);
    await once(reflection, "data");
    reflection.resume();
    await until("the watch is served", () => seen.length === 1);
    const started = performance.now();
    await close();
    await Promise.all(ended);
    expect(seen).toEqual(["SERVING", "NOT_SERVING"]);
    expect(performance.now() - started).toBeLessThan(FORCED_AFTER_MS / 2);
  });
});
