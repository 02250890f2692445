/** How often a host is asked, and when it is not. */
import type { RequestListener, ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { MediaEvent } from "../../src/media/media-reader.js";
import { bytesOf, closeAll, GIF, readerOf, serve } from "./media-server.js";
import type { MediaServer } from "./media-server.js";

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

describe("trouble that may pass", () => {
  async function readWith(listener: RequestListener) {
    const server = await serve(listener);
    const pauses: number[] = [];
    const reader = readerOf(server, {}, { wait: async (ms) => void pauses.push(ms) });
    return { result: await reader.read(url(server)), asked: server.asked.length, pauses };
  }

  test.each([429, 500, 502, 503])("%s is asked again", async (status) => {
    const { result, asked, pauses } = await readWith(statuses([status], [status]));
    expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(asked).toBe(3);
    expect(pauses).toHaveLength(2);
    expect(pauses[0]).toBeLessThan(250);
    expect(pauses[1]).toBeLessThan(500);
  });

  test("a connection that breaks is made again", async () => {
    let requests = 0;
    const { result, asked } = await readWith((_, response) => {
      requests += 1;
      if (requests === 1) response.destroy();
      else response.end(GIF);
    });
    expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(asked).toBe(2);
  });

  test("three times at most", async () => {
    const { result, asked } = await readWith((_, response) => response.writeHead(503).end());
    expect(result).toEqual({ failure: "unreachable", detail: "status 503" });
    expect(asked).toBe(3);
  });

  test.each([404, 403, 400])("%s will not pass and is not asked again", async (status) => {
    expect((await readWith(statuses([status]))).asked).toBe(1);
  });

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
      const { result, asked, pauses } = await readWith(statuses([429, { "retry-after": after }]));
      expect(result).toEqual({ failure: "unreachable", detail: "status 429" });
      expect([asked, pauses]).toEqual([1, []]);
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
    expect(server.asked).toHaveLength(1);
  });
});

describe("a host that keeps failing", () => {
  test("is left alone for a while, then tried with one request, and is back once it answers", async () => {
    let status = 503;
    const server = await serve((_, response) => response.writeHead(status).end(GIF));
    const events: MediaEvent[] = [];
    const reader = readerOf(
      server,
      {},
      {
        patience: { attemptsMax: 1, failuresMax: 3, leaveAloneMs: 200 },
        onEvent: (event) => void (event.kind === "media-read" || events.push(event)),
      },
    );
    const read = () => reader.read(url(server));
    const alone = {
      failure: "unreachable",
      detail: `host ${server.host} keeps failing and is left alone`,
    };
    for (let i = 0; i < 3; i += 1) expect(await read()).toMatchObject({ detail: "status 503" });
    const opened = performance.now();
    expect(await read()).toEqual(alone);
    expect(server.asked).toHaveLength(3);
    expect(events).toEqual([{ kind: "host-left-alone", host: server.host }]);

    // The request that tries it fails: it is left alone again.
    expect(await untilAsked(read, alone)).toMatchObject({ detail: "status 503" });
    expect(performance.now() - opened).toBeGreaterThanOrEqual(190);
    expect(await read()).toEqual(alone);
    expect(server.asked).toHaveLength(4);

    status = 200;
    expect(bytesOf(await untilAsked(read, alone))).toEqual(Buffer.from(GIF));
    expect(events.at(-1)).toEqual({ kind: "host-back", host: server.host });
    expect(bytesOf(await read())).toEqual(Buffer.from(GIF));
    expect(server.asked).toHaveLength(6);
  });

  /** Reads until the host is asked again; turns of the event loop lie between. */
  async function untilAsked<T>(read: () => Promise<T>, alone: object): Promise<T> {
    const deadline = performance.now() + 10_000;
    while (performance.now() < deadline) {
      const result = await read();
      if (JSON.stringify(result) !== JSON.stringify(alone)) return result;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error("the host was left alone for 10 s");
  }

  test("does not take others with it, and what is missing or refused does not count", async () => {
    const failing = await serve((_, response) => response.writeHead(500).end());
    const absent = await serve((_, response) => response.writeHead(404).end());
    const hosts = [failing.host, absent.host];
    const reader = readerOf(
      failing,
      { httpHosts: hosts, privateHosts: hosts },
      { patience: { attemptsMax: 1, failuresMax: 3 } },
    );
    for (let i = 0; i < 6; i += 1) {
      await reader.read(url(failing));
      await reader.read(url(absent));
    }
    expect([failing.asked.length, absent.asked.length]).toEqual([3, 6]);
  });
});

describe("many media of one host", () => {
  test("are asked for a few at a time, while another host has its turn at once", async () => {
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
    expect(slow.asked).toHaveLength(2);
    while (slow.asked.length < 8 || held.length > 0) {
      held.shift()?.end(GIF);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const result of await Promise.all(reading))
      expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(most).toBe(2);
  });

  test("those that wait in vain end in time, and the host is not asked for them", async () => {
    const server = await serve(() => {});
    const reader = readerOf(
      server,
      { hostReadsMax: 1, timeoutMs: 300 },
      { patience: { attemptsMax: 1 } },
    );
    const start = performance.now();
    const results = await Promise.all(Array.from({ length: 5 }, () => reader.read(url(server))));
    for (const result of results) expect(result).toMatchObject({ failure: "unreachable" });
    expect(performance.now() - start).toBeLessThan(3_000);
    expect(server.asked).toHaveLength(1);
  });

  test("more than may wait are turned away at once", async () => {
    const server = await serve(() => {});
    const reader = readerOf(server, { hostReadsMax: 1, timeoutMs: 500 }, {});
    const results = await Promise.all(Array.from({ length: 300 }, () => reader.read(url(server))));
    const away = results.filter(
      (result) => "failure" in result && result.detail === `too many wait for host ${server.host}`,
    );
    expect(away).toHaveLength(300 - 1 - 256);
  });
});
