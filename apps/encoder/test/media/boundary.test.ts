/** Where media may come from. */
import { afterEach, describe, expect, test } from "@jest/globals";
import { addressKind } from "../../src/media/addresses.js";
import type { Network } from "../../src/media/connections.js";
import { bytesOf, closeAll, GIF, readerOf, serve } from "./media-server.js";

afterEach(closeAll);

const serveGif = () => serve((_, response) => response.end(GIF));

/** The names' owner answers one list after the other; the last one stays. */
function resolver(...answers: string[][]) {
  const lookups: string[] = [];
  const resolve: Network["resolve"] = async (name) => {
    const answer = answers[Math.min(lookups.length, answers.length - 1)] ?? [];
    lookups.push(name);
    return answer.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
  return { lookups, resolve };
}

/** A second loopback address plays the public one: both lead to servers of the test. */
const PUBLIC = "127.0.0.2";
const playedKind: Network["addressKind"] = (address) =>
  address === PUBLIC ? "public" : addressKind(address);

describe("hosts", () => {
  test("a host that is not on the list is not even connected to", async () => {
    const server = await serveGif();
    for (const httpHosts of [[], ["127.0.0.1"], ["localhost"], ["127.0.0.1:1"]]) {
      const reader = readerOf(server, { httpHosts });
      expect(await reader.read({ url: `http://${server.host}/a.png`, kind: "image" })).toEqual({
        failure: "refused",
        detail: `host ${server.host} is not allowed`,
      });
      const disguised = `http://cdn.example@${server.host}/a.png`;
      const other = readerOf(server, { httpHosts: ["cdn.example"] });
      expect(await other.read({ url: disguised, kind: "image" })).toMatchObject({
        failure: "refused",
      });
    }
    expect(server.connections()).toBe(0);
  });

  test.each(["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost"])(
    "%s is a private address, however it is written, and not connected to",
    async (name) => {
      const server = await serveGif();
      const reader = readerOf(server, { httpHosts: [`*:${server.port}`], privateHosts: [] });
      const result = await reader.read({ url: `http://${name}:${server.port}/`, kind: "image" });
      expect(result).toEqual({
        failure: "refused",
        detail: expect.stringMatching(/^host \S+ leads to a private address$/),
      });
      expect(server.connections()).toBe(0);
    },
  );

  test.each(["[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1]", "0.0.0.0", "[::]"])(
    "%s is refused",
    async (name) => {
      const reader = readerOf({ host: "*" }, { httpHosts: ["*"], privateHosts: [] });
      expect(await reader.read({ url: `http://${name}/`, kind: "image" })).toMatchObject({
        failure: "refused",
        detail: expect.stringMatching(/leads to a (private|forbidden) address/),
      });
    },
  );

  test.each([
    "127.0.0.1",
    "10.0.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
    "fd00::1",
    "fe80::1",
  ])("a name that leads to %s is refused", async (address) => {
    const server = await serveGif();
    const { resolve } = resolver([address]);
    const host = `shop.test:${server.port}`;
    const reader = readerOf({ host }, { privateHosts: [] }, { network: { resolve, addressKind } });
    expect(await reader.read({ url: `http://${host}/a.png`, kind: "image" })).toEqual({
      failure: "refused",
      detail: expect.stringMatching(/^host shop.test leads to a (private|forbidden) address$/),
    });
    expect(server.connections()).toBe(0);
  });

  test("a host named for it may be at a private address, but never at one of metadata", async () => {
    const server = await serveGif();
    const host = `shop.test:${server.port}`;
    const { resolve } = resolver(["127.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"]);
    const read = () =>
      readerOf({ host }, {}, { network: { resolve, addressKind } }).read({
        url: `http://${host}/a.png`,
        kind: "image",
      });
    expect(bytesOf(await read())).toEqual(Buffer.from(GIF));
    expect(await read()).toMatchObject({ failure: "refused" });
    expect(await read()).toMatchObject({ failure: "refused" });
    expect(server.connections()).toBe(1);
  });

  test("of the addresses of a name only those allowed are dialled", async () => {
    const server = await serveGif();
    const host = `shop.test:${server.port}`;
    const { resolve } = resolver(["169.254.169.254", "::1", "127.0.0.1"]);
    const kinds: Network["addressKind"] = (address) =>
      address === "127.0.0.1" ? "public" : addressKind(address);
    const network = { resolve, addressKind: kinds };
    const reader = readerOf({ host }, { privateHosts: [] }, { network });
    const result = await reader.read({ url: `http://${host}/a.png`, kind: "image" });
    expect(bytesOf(result)).toEqual(Buffer.from(GIF));
    expect(server.requests.map(({ at }) => at)).toEqual(["127.0.0.1"]);
  });
});

describe("a name that leads first to a public address and then to a private one", () => {
  async function setUp(...answers: string[][]) {
    const inside = await serve((_, response) => response.end(GIF));
    const outside = await serve(
      (request, response) => {
        response.setHeader("connection", "close");
        if (request.url === "/moved") response.writeHead(302, { location: "/a.png" }).end();
        else response.end(GIF);
      },
      inside.port,
      PUBLIC,
    );
    const host = `shop.test:${inside.port}`;
    const { lookups, resolve } = resolver(...answers);
    const network = { resolve, addressKind: playedKind };
    const reader = readerOf({ host }, { privateHosts: [] }, { network });
    const read = (path: string) => reader.read({ url: `http://${host}${path}`, kind: "image" });
    return { inside, outside, lookups, read };
  }

  test("is resolved once for a connection, and that answer is the one connected to", async () => {
    const { inside, outside, lookups, read } = await setUp([PUBLIC], ["127.0.0.1"]);
    expect(bytesOf(await read("/a.png"))).toEqual(Buffer.from(GIF));
    expect(lookups).toEqual(["shop.test"]);
    expect([outside.connections(), inside.connections()]).toEqual([1, 0]);
  });

  test("is refused at the next connection", async () => {
    const { inside, outside, read } = await setUp([PUBLIC], ["127.0.0.1"]);
    expect(bytesOf(await read("/a.png"))).toEqual(Buffer.from(GIF));
    expect(await read("/a.png")).toEqual({
      failure: "refused",
      detail: "host shop.test leads to a private address",
    });
    expect([outside.connections(), inside.connections()]).toEqual([1, 0]);
  });

  test("is refused behind a redirect to itself", async () => {
    const { inside, outside, read } = await setUp([PUBLIC], ["127.0.0.1"]);
    expect(await read("/moved")).toMatchObject({ failure: "refused" });
    expect([outside.connections(), inside.connections()]).toEqual([1, 0]);
  });

  test("is refused where only the socket shows where it is connected to", async () => {
    const server = await serveGif();
    const host = `shop.test:${server.port}`;
    let judged = 0;
    // As if something between the lookup and the socket changed the address.
    const kinds: Network["addressKind"] = (address) => {
      judged += 1;
      return judged === 1 ? "public" : addressKind(address);
    };
    const network = { resolve: resolver(["127.0.0.1"]).resolve, addressKind: kinds };
    const reader = readerOf({ host }, { privateHosts: [] }, { network });
    expect(await reader.read({ url: `http://${host}/a.png`, kind: "image" })).toEqual({
      failure: "refused",
      detail: "host shop.test leads to a private address",
    });
    expect([server.connections(), server.requests]).toEqual([1, []]);
  });
});

describe("redirects", () => {
  async function redirecting(location: (host: string) => string) {
    const server = await serve(({ url }, response) => {
      if (url === "/a.png") response.end(GIF);
      else response.writeHead(302, { location: location(server.host) }).end("moved");
    });
    const read = (httpHosts = [server.host]) =>
      readerOf(server, { httpHosts }).read({ url: `http://${server.host}/moved`, kind: "image" });
    return { server, read };
  }

  test.each([
    ["relative", () => "/a.png"],
    ["absolute", (host: string) => `http://${host}/a.png`],
  ])("a %s one is followed", async (_, location) => {
    const { server, read } = await redirecting(location);
    expect(bytesOf(await read())).toEqual(Buffer.from(GIF));
    expect(server.requests.map(({ path }) => path)).toEqual(["/moved", "/a.png"]);
  });

  test("in circles they end", async () => {
    const { server, read } = await redirecting(() => "/moved");
    expect(await read()).toEqual({ failure: "refused", detail: "more than 3 redirects" });
    expect(server.requests).toHaveLength(4);
  });

  test.each([
    ["metadata", () => "http://169.254.169.254/latest/meta-data/", "leads to a forbidden address"],
    ["metadata, mapped", () => "http://[::ffff:169.254.169.254]/", "leads to a forbidden address"],
    ["a private address", () => "http://10.0.0.1/", "leads to a private address"],
    ["a host that is not on the list", () => "http://other.test:1/", "is not allowed"],
    ["a file", () => "file:///etc/passwd", "expected an http: or https: URL"],
    ["itself as data", () => "data:image/gif;base64,R0lGODlh", "expected an http: or https: URL"],
    ["a password", (host: string) => `http://u:p@${host}/a.png`, "a user or a password"],
    ["nonsense", () => "http://[", "not a URL"],
  ])("to %s are refused", async (_, location, detail) => {
    const { server, read } = await redirecting(location);
    expect(await read([server.host, "*"])).toEqual({
      failure: "refused",
      detail: expect.stringContaining(detail),
    });
    expect(server.requests.map(({ path }) => path)).toEqual(["/moved"]);
  });
});
