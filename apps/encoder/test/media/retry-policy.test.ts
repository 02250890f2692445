/** How often a host is asked, and when its circuit is open. */
import type { RequestListener, ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createUntil } from "@marquetry/testing/until";
import type { MediaEvent } from "../../src/media/media-reader.js";
import { bytesOf, closeAll, GIF, readerOf, serve } from "./media-server.js";
import type { MediaServer } from "./media-server.js";

const until = createUntil(10_000, 0);

afterEach(closeAll);

const url = ({ host }: MediaServer, path = "/a.gif") => ({
  url: `http://${host}${path}`,
  kind: "image" as const,
});

/** Answers with each status in turn, then with the picture. */
function statuses(
  ...answers: [status: number, headers?: Record<string, string>][]
): RequestListener {
  return (_, response) => {
    const [status, headers] = answers.shift() ?? [200];
    response.writeHead(status, headers).end(status === 200 ? GIF : "no");
  };
}

describe("a transient failure", () => {
  async function readWith(listener: RequestListener) {
    const server = await serve(listener);
    const pauses: number[] = [];
    const reader = readerOf(server, {}, { wait: async (ms) => void pauses.push(ms) });
    return { result: await reader.read(url(server)), requests: server.requests.length, pauses };
  }

  test.each([429, 500, 502, 503])("%s is asked again", async (status) => {
    const { result, requests, pauses } = await readWith(statuses([status], [status]));
    expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(requests).toBe(3);
    expect(pauses).toHaveLength(2);
    expect(pauses[0]).toBeLessThan(250);
    expect(pauses[1]).toBeLessThan(500);
  });

  test("a connection that breaks is made again", async () => {
    let answers = 0;
    const { result, requests } = await readWith((_, response) => {
      answers += 1;
      if (answers === 1) response.destroy();
      else response.end(GIF);
    });
    expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(requests).toBe(2);
  });

  test("three times at most", async () => {
    const { result, requests } = await readWith((_, response) => response.writeHead(503).end());
    expect(result).toEqual({ failure: "unreachable", detail: "status 503" });
    expect(requests).toBe(3);
  });

  test.each([404, 403, 400])(
    "%s is no transient failure and is not asked again",
    async (status) => {
      expect((await readWith(statuses([status]))).requests).toBe(1);
    },
  );

  test("pauses differ, so that those who failed together do not come back together", async () => {
    const { pauses } = await readWith(statuses([503], [503]));
    const other = await readWith(statuses([503], [503]));
    expect(pauses).not.toEqual(other.pauses);
  });

  test("Retry-After is honoured, in seconds or as a date", async () => {
    const inSeconds = await readWith(statuses([429, { "retry-after": "2" }]));
    expect(bytesOf(inSeconds.result)).toEqual(Buffer.from(GIF));
    expect(inSeconds.pauses[0]).toBeGreaterThanOrEqual(2_000);
    expect(inSeconds.pauses[0]).toBeLessThan(2_250);
    const date = new Date(Date.now() + 4_000).toUTCString();
    const asDate = await readWith(statuses([503, { "retry-after": date }]));
    expect(asDate.pauses[0]).toBeGreaterThan(1_000);
    expect(asDate.pauses[0]).toBeLessThanOrEqual(4_250);
  });

  test.each(["60", "99999999999999999999", new Date(Date.now() + 3_600_000).toUTCString()])(
    "a Retry-After of %s is not waited for, and the host is not asked before",
    async (after) => {
      const { result, requests, pauses } = await readWith(
        statuses([429, { "retry-after": after }]),
      );
      expect(result).toEqual({ failure: "unreachable", detail: "status 429" });
      expect([requests, pauses]).toEqual([1, []]);
    },
  );

  test.each(["soon", "-1", ""])("a Retry-After of %p is none", async (after) => {
    const { result, pauses } = await readWith(statuses([429, { "retry-after": after }]));
    expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(pauses[0]).toBeLessThan(250);
  });

  test("a pause counts towards the time for the whole", async () => {
    const server = await serve((_, response) =>
      response.writeHead(429, { "retry-after": "5" }).end(),
    );
    const { wait } = await import("../../src/media/http-media.js");
    const start = performance.now();
    const result = await readerOf(server, { timeoutMs: 200 }, { wait }).read(url(server));
    expect(result).toEqual({ failure: "unreachable", detail: "status 429; gave up after 200 ms" });
    expect(performance.now() - start).toBeLessThan(3_000);
    expect(server.requests).toHaveLength(1);
  });
});

describe("a host that keeps failing", () => {
  test("opens its circuit for a while, is then tried with one request, and closes it by an answer", async () => {
    let status = 503;
    const server = await serve((_, response) => response.writeHead(status).end(GIF));
    const events: MediaEvent[] = [];
    const reader = readerOf(
      server,
      {},
      {
        retryPolicy: { attemptsMax: 1, failuresMax: 3, circuitOpenMs: 200 },
        onEvent: (event) => void (event.kind === "media-read" || events.push(event)),
      },
    );
    const read = () => reader.read(url(server));
    const open = {
      failure: "unreachable",
      detail: `host ${server.host} keeps failing: its circuit is open`,
    };
    for (let i = 0; i < 3; i += 1) expect(await read()).toMatchObject({ detail: "status 503" });
    const opened = performance.now();
    expect(await read()).toEqual(open);
    expect(server.requests).toHaveLength(3);
    expect(events).toEqual([{ kind: "circuit-opened", host: server.host }]);

    // The request that tries it fails: the circuit opens again.
    expect(await untilAsked(read, open)).toMatchObject({ detail: "status 503" });
    expect(performance.now() - opened).toBeGreaterThanOrEqual(190);
    expect(await read()).toEqual(open);
    expect(server.requests).toHaveLength(4);

    status = 200;
    expect(bytesOf(await untilAsked(read, open))).toEqual(Buffer.from(GIF));
    expect(events.at(-1)).toEqual({ kind: "circuit-closed", host: server.host });
    expect(bytesOf(await read())).toEqual(Buffer.from(GIF));
    expect(server.requests).toHaveLength(6);
  });

  /** Reads until the host gets a request again. */
  function untilAsked<T extends object>(read: () => Promise<T>, open: object): Promise<T> {
    return until("a request to the host", async () => {
      const result = await read();
      return JSON.stringify(result) !== JSON.stringify(open) && result;
    });
  }

  test("does not take others with it, and what is missing or refused does not count", async () => {
    const failing = await serve((_, response) => response.writeHead(500).end());
    const absent = await serve((_, response) => response.writeHead(404).end());
    const hosts = [failing.host, absent.host];
    const reader = readerOf(
      failing,
      { httpHosts: hosts, privateHosts: hosts },
      { retryPolicy: { attemptsMax: 1, failuresMax: 3 } },
    );
    for (let i = 0; i < 6; i += 1) {
      await reader.read(url(failing));
      await reader.read(url(absent));
    }
    expect([failing.requests.length, absent.requests.length]).toEqual([3, 6]);
  });
});

describe("many media of one host", () => {
  test("are asked for a few at a time, while another host is asked at once", async () => {
    const held: ServerResponse[] = [];
    let most = 0;
    const second = Promise.withResolvers<void>();
    const slow = await serve((_, response) => {
      held.push(response);
      most = Math.max(most, held.length);
      if (held.length === 2) second.resolve();
    });
    const quick = await serve((_, response) => response.end(GIF));
    const hosts = [slow.host, quick.host];
    const reader = readerOf(slow, { httpHosts: hosts, privateHosts: hosts, hostReadsMax: 2 });
    const reading = Array.from({ length: 8 }, (_, i) => reader.read(url(slow, `/${i}`)));
    await second.promise;
    expect(bytesOf(await reader.read(url(quick)))).toEqual(Buffer.from(GIF));
    expect(slow.requests).toHaveLength(2);
    await until("all eight are read", () => {
      held.shift()?.end(GIF);
      return slow.requests.length === 8 && held.length === 0;
    });
    for (const result of await Promise.all(reading))
      expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(most).toBe(2);
  });

  test("those that wait in vain end in time, and the host is not asked for them", async () => {
    const server = await serve(() => {});
    const reader = readerOf(
      server,
      { hostReadsMax: 1, timeoutMs: 300 },
      { retryPolicy: { attemptsMax: 1 } },
    );
    const start = performance.now();
    const results = await Promise.all(Array.from({ length: 5 }, () => reader.read(url(server))));
    for (const result of results) expect(result).toMatchObject({ failure: "unreachable" });
    expect(performance.now() - start).toBeLessThan(3_000);
    expect(server.requests).toHaveLength(1);
  });

  test("more than may wait are turned away at once", async () => {
    const server = await serve(() => {});
    const reader = readerOf(server, { hostReadsMax: 1, timeoutMs: 500 }, {});
    const results = await Promise.all(Array.from({ length: 300 }, () => reader.read(url(server))));
    const refused = results.filter(
      (result) => "failure" in result && result.detail === `too many wait for host ${server.host}`,
    );
    expect(refused).toHaveLength(300 - 1 - 256);
  });
});
