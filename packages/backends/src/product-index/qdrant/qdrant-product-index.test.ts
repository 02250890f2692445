import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createQdrantProductIndex } from "./qdrant-product-index.js";
import type { ProductIndex } from "../product-index.js";

// What a healthy Qdrant does is in the contract; here is what the adapter makes of faulty answers.

const open: { close: () => void; closeAllConnections: () => void }[] = [];

afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function indexAt(url: string, timeoutMs = 5_000): ProductIndex {
  return createQdrantProductIndex({ url, timeoutMs });
}

describe("failures", () => {
  test.each([
    [400, "invalid"],
    [401, "unavailable"],
    [403, "unavailable"],
    [404, "not-found"],
    [408, "unavailable"],
    [413, "invalid"],
    [422, "invalid"],
    [429, "overloaded"],
    [500, "unavailable"],
    [502, "unavailable"],
    [503, "unavailable"],
  ])("status %d is %s", async (status, code) => {
    const url = await serve((_, response) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ status: { error: "as the server put it" } }));
    });
    await expect(indexAt(url).count("products")).rejects.toMatchObject({
      name: "MarquetryError",
      code,
      cause: expect.objectContaining({ status }),
    });
  });

  test("a refusal for now, with the time to wait, is overloaded", async () => {
    const url = await serve((_, response) => {
      response.writeHead(429, { "retry-after": "3" }).end("{}");
    });
    await expect(indexAt(url).ping()).rejects.toMatchObject({ code: "overloaded" });
  });

  test("a page of a proxy in place of an answer is unavailable", async () => {
    const url = await serve((_, response) => response.writeHead(502).end("<h1>Bad Gateway</h1>"));
    await expect(indexAt(url).ping()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("no server is unavailable", async () => {
    const url = await serve(() => {});
    const closed = open.pop();
    closed?.close();
    await expect(indexAt(url).ping()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a connection that breaks is unavailable", async () => {
    const url = await serve((request) => request.socket.destroy());
    await expect(indexAt(url).ping()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("no answer in time is unavailable", async () => {
    const url = await serve(() => {});
    await expect(indexAt(url, 50).ping()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("an answer that stops in the middle is unavailable once the time is up", async () => {
    const url = await serve((_, response) => response.writeHead(200).write('{"result":'));
    await expect(indexAt(url, 50).ping()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a point that is not ours is corrupt", async () => {
    const result = { points: [{ id: 1, version: 0, score: 1, payload: { product_id: "p" } }] };
    const url = await serve((_, response) => response.end(JSON.stringify({ result })));
    const query = { vector: new Float32Array(1), using: "fused", limit: 1 };
    await expect(indexAt(url).query("products", query)).rejects.toMatchObject({ code: "corrupt" });
  });
});

describe("requests", () => {
  test("the key goes along, and the path of a proxy stays", async () => {
    const requests: unknown[] = [];
    const url = await serve((request, response) => {
      requests.push({ path: request.url, key: request.headers["api-key"] });
      response.end(JSON.stringify({ result: { collections: [] } }));
    });
    await createQdrantProductIndex({ url: `${url}/qdrant/`, apiKey: "k", timeoutMs: 5_000 }).ping();
    expect(requests).toEqual([{ path: "/qdrant/collections", key: "k" }]);
  });

  test("a failed write begins no further request, and none runs on after it has failed", async () => {
    let begun = 0;
    let ended = 0;
    const url = await serve((request, response) => {
      begun += 1;
      request.resume();
      request.on("end", () => {
        ended += 1;
        response.writeHead(503).end("{}");
      });
    });
    const points = Array.from({ length: 5_000 }, (_, i) => ({
      payload: {
        productId: `p${i}`,
        revision: 1,
        removed: true,
        title: "",
        categories: [],
        brand: "",
        currency: "",
        availability: "in-stock" as const,
        availableFromMs: 0,
        groupId: "",
        modalities: [],
        encoders: {},
      },
      vectors: {},
    }));
    await expect(indexAt(url).upsert("products", points)).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(begun).toBeLessThanOrEqual(4);
    expect(ended).toBe(begun);
  });
});
