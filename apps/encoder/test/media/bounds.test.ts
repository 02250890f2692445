/** Hosts that lie, stall or send what they should not. */
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { MediaLimits } from "../../src/media/limits.js";
import { bytesOf, closeAll, GIF, padded, readerOf, serve, serveRaw } from "./media-server.js";
import type { MediaServer } from "./media-server.js";

afterEach(closeAll);

const ONCE = { retryPolicy: { attemptsMax: 1 } };

function read(server: Pick<MediaServer, "host">, limits: Partial<MediaLimits> = {}) {
  return readerOf(server, limits, ONCE).read({ url: `http://${server.host}/a.gif`, kind: "image" });
}

const head = (...headers: string[]) => ["HTTP/1.1 200 OK", ...headers, "", ""].join("\r\n");

describe("lengths", () => {
  test("a picture of just the bound is read, with a length and without", async () => {
    for (const headers of [{ "content-length": "1000" }, undefined]) {
      const server = await serve((_, response) => {
        response.writeHead(200, headers).write(padded(1_000).subarray(0, 500));
        response.end(padded(1_000).subarray(500));
      });
      expect(bytesOf(await read(server))).toEqual(padded(1_000));
    }
  });

  test("a length above the bound is refused at once, without a byte of the body", async () => {
    const server = await serveRaw((socket) => socket.write(head("content-length: 1000000000000")));
    expect(await read(server)).toEqual({ failure: "too-large", detail: "more than 1000 bytes" });
  });

  test("without a length the transfer ends at the bound, and the server notices", async () => {
    const cut = Promise.withResolvers<void>();
    const server = await serve((_, response) => {
      response.once("close", cut.resolve);
      const pour = (): void => {
        if (!response.destroyed) response.write(padded(400), () => setImmediate(pour));
      };
      pour();
    });
    expect(await read(server)).toEqual({ failure: "too-large", detail: "more than 1000 bytes" });
    await cut.promise;
  });

  test("what an answer brings beside its status is not read, however much it is", async () => {
    const cut = Promise.withResolvers<void>();
    const server = await serve((_, response) => {
      response.once("close", cut.resolve).writeHead(404).write(padded(100));
    });
    expect(await read(server)).toEqual({ failure: "not-found", detail: "status 404" });
    await cut.promise;
  });

  test("a length above what comes is a transfer that broke off, not a shorter picture", async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { "content-length": "999" }).write(GIF, () => response.destroy());
    });
    expect(await read(server)).toMatchObject({ failure: "unreachable" });
  });

  test("what comes above its length is not read, nor mistaken for the next answer", async () => {
    const other = Buffer.concat([
      Buffer.from(head("content-length: 13")),
      Buffer.from("GIF89a-forged"),
    ]);
    const server = await serveRaw((socket) => {
      socket.write(Buffer.concat([Buffer.from(head(`content-length: ${GIF.length}`)), GIF, other]));
    });
    const reader = readerOf(server, { hostReadsMax: 1 }, { retryPolicy: { attemptsMax: 5 } });
    for (const name of ["a", "b", "c"]) {
      const result = await reader.read({ url: `http://${server.host}/${name}`, kind: "image" });
      if ("failure" in result) expect(result.failure).toBe("unreachable");
      else expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    }
  });

  test.each([
    ["-1", ["content-length: -1"]],
    ["words", ["content-length: many"]],
    ["two that differ", ["content-length: 5", "content-length: 6"]],
    ["one beside chunks", ["content-length: 5", "transfer-encoding: chunked"]],
  ])("a length of %s is no answer", async (_, headers) => {
    const server = await serveRaw((socket) => socket.write(head(...headers) + "GIF89a"));
    expect(await read(server, { idleMs: 200 })).toMatchObject({ failure: "unreachable" });
  });

  test("endless headers are no answer", async () => {
    const server = await serveRaw((socket) => {
      socket.write(head(...Array.from({ length: 2_000 }, (_, i) => `x-${i}: ${"x".repeat(100)}`)));
    });
    expect(await read(server)).toMatchObject({ failure: "unreachable" });
  });

  test("what is compressed is not expanded", async () => {
    const server = await serve((_, response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(GIF),
    );
    expect(await read(server)).toEqual({
      failure: "undecodable",
      detail: "content-encoding: gzip",
    });
    expect(server.requests[0]?.headers["accept-encoding"]).toBe("identity");
  });
});

describe("time", () => {
  /** A byte now and then, for ever. */
  function drip(response: ServerResponse, everyMs: number): void {
    const timer = setInterval(() => response.write("x"), everyMs);
    response.once("close", () => clearInterval(timer));
  }

  test("a host that drips is given up after the time for the whole, and notices", async () => {
    const cut = Promise.withResolvers<void>();
    const server = await serve((_, response) => {
      response.write(GIF);
      response.once("close", cut.resolve);
      drip(response, 20);
    });
    const start = performance.now();
    expect(await read(server, { timeoutMs: 300 })).toEqual({
      failure: "unreachable",
      detail: expect.stringContaining("300 ms"),
    });
    expect(performance.now() - start).toBeLessThan(3_000);
    await cut.promise;
  });

  test.each([
    ["before its answer", () => {}],
    ["after its head", (response: ServerResponse) => response.flushHeaders()],
    ["within the picture", (response: ServerResponse) => void response.write(GIF)],
  ])("a host that falls silent %s is given up, long before the whole time", async (_, begin) => {
    const server = await serve((__, response) => begin(response));
    const start = performance.now();
    expect(await read(server, { idleMs: 100 })).toMatchObject({ failure: "unreachable" });
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test("a slow host that keeps sending is not silent", async () => {
    const server = await serve((_, response) => {
      const pieces = [...padded(8)];
      const timer = setInterval(() => {
        const piece = pieces.shift();
        if (piece !== undefined) response.write(Uint8Array.of(piece));
        else clearInterval(timer);
        if (piece === undefined) response.end();
      }, 60);
    });
    expect(bytesOf(await read(server, { idleMs: 400 }))).toEqual(padded(8));
  });
});

describe("content", () => {
  test.each([
    ["a GIF that is called HTML", "text/html", GIF, undefined],
    [
      "an SVG that is called PNG",
      "image/png",
      '<svg xmlns="http://www.w3.org/2000/svg"/>',
      "refused",
    ],
    ["a page that is called JPEG", "image/jpeg", "<!DOCTYPE html><p>gone", "refused"],
    ["a PDF that is called GIF", "image/gif", "%PDF-1.7", "refused"],
    ["text that is called PNG", "image/png", "not a picture", "undecodable"],
    ["nothing", "image/png", "", "undecodable"],
  ])("%s is judged by its bytes", async (_, type, body, failure) => {
    const server = await serve((__, response) =>
      response.writeHead(200, { "content-type": type }).end(body),
    );
    const result = await read(server);
    expect("failure" in result ? result.failure : undefined).toBe(failure);
  });

  test.each([
    [404, "not-found"],
    [410, "not-found"],
    [403, "unreachable"],
    [500, "unreachable"],
    [204, "unreachable"],
    [206, "unreachable"],
    [300, "unreachable"],
    [304, "unreachable"],
  ])("status %s is %s", async (status, failure) => {
    const server = await serve((_, response) => response.writeHead(status).end());
    expect(await read(server)).toEqual({ failure, detail: `status ${status}` });
  });

  test("a host where nothing listens, and a name without an address, are unreachable", async () => {
    const server = await serve(() => {});
    await closeAll();
    expect(await read(server)).toEqual({
      failure: "unreachable",
      detail: expect.stringContaining("ECONNREFUSED"),
    });
    expect(await read({ host: "nowhere.invalid" })).toMatchObject({ failure: "unreachable" });
  });

  test("closing breaks off what is being read", async () => {
    const asked = Promise.withResolvers<void>();
    const server = await serve(() => asked.resolve());
    const reader = readerOf(server, {}, ONCE);
    const reading = reader.read({ url: `http://${server.host}/`, kind: "image" });
    await asked.promise;
    await reader.close();
    expect(await reading).toMatchObject({ failure: "unreachable" });
  });
});
