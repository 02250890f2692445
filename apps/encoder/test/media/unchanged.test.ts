/** What was read before and has not changed is not read again. */
import { createHash } from "node:crypto";
import { afterEach, expect, test } from "@jest/globals";
import { closeAll, GIF, padded, readerOf, serve } from "./media-server.js";

afterEach(closeAll);

const digestOf = (bytes: Uint8Array) =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A server that answers 304 as HTTP wants it, and counts the bytes that it sent. */
async function setUp(headers: Record<string, string>) {
  const state: { headers: Record<string, string>; bytes: Uint8Array; sent: number } = {
    headers,
    bytes: GIF,
    sent: 0,
  };
  const server = await serve((request, response) => {
    const { etag, "last-modified": modified } = state.headers;
    const { "if-none-match": match, "if-modified-since": since } = request.headers;
    if (request.url === "/moved") return void response.writeHead(302, { location: "/a.gif" }).end();
    const same = match === undefined ? since !== undefined && since === modified : match === etag;
    if (same) return void response.writeHead(304).end();
    state.sent += state.bytes.length;
    return void response.writeHead(200, state.headers).end(state.bytes);
  });
  const reader = readerOf(server, { hostReadsMax: 1 });
  const read = (isKnown?: (digest: string) => boolean | Promise<boolean>, path = "/a.gif") =>
    reader.read({
      url: `http://${server.host}${path}`,
      kind: "image",
      ...(isKnown === undefined ? {} : { isKnown }),
    });
  return { server, state, read };
}

const DATE = "Tue, 03 Mar 2026 10:00:00 GMT";

test.each([
  ["an ETag", { etag: '"1"' }, { "if-none-match": '"1"' }],
  ["a weak ETag", { etag: 'W/"1"' }, { "if-none-match": 'W/"1"' }],
  ["a date", { "last-modified": DATE }, { "if-modified-since": DATE }],
])("a picture with %s that has not changed is not downloaded again", async (_, headers, asked) => {
  const { server, state, read } = await setUp(headers);
  const known: string[] = [];
  const isKnown = async (digest: string) => known.push(digest) > 0;
  expect(await read(isKnown)).toEqual({ bytes: Buffer.from(GIF), digest: digestOf(GIF) });
  expect(known).toEqual([]);
  for (let i = 0; i < 3; i += 1) expect(await read(isKnown)).toEqual({ unchanged: digestOf(GIF) });
  expect(known).toEqual(Array(3).fill(digestOf(GIF)));
  expect(state.sent).toBe(GIF.length);
  expect(server.requests.at(-1)?.headers).toMatchObject(asked);
});

test("whether it has changed or not, its connection serves the next one too", async () => {
  const { server, state, read } = await setUp({ etag: '"1"' });
  for (let i = 0; i < 3; i += 1) {
    state.headers = { etag: `"${i}"` };
    expect(await read(() => true)).toMatchObject({ digest: digestOf(GIF) });
    expect(await read(() => true)).toEqual({ unchanged: digestOf(GIF) });
  }
  expect(server.connections()).toBe(1);
});

test("a picture that has changed is read, and its new state remembered", async () => {
  const { state, read } = await setUp({ etag: '"1"' });
  await read(() => true);
  state.headers = { etag: '"2"' };
  state.bytes = padded(500);
  expect(await read(() => true)).toEqual({ bytes: padded(500), digest: digestOf(padded(500)) });
  expect(await read(() => true)).toEqual({ unchanged: digestOf(padded(500)) });
});

test("a picture of which nothing is cached is asked for as if it were new", async () => {
  const { server, read } = await setUp({ etag: '"1"' });
  await read();
  for (const isKnown of [undefined, () => false, async () => false])
    expect(await read(isKnown)).toMatchObject({ digest: digestOf(GIF) });
  for (const { headers } of server.requests) expect(headers["if-none-match"]).toBeUndefined();
});

test("a picture without an ETag or a date is read again", async () => {
  const { state, read } = await setUp({});
  await read(() => true);
  expect(await read(() => true)).toMatchObject({ digest: digestOf(GIF) });
  expect(state.sent).toBe(2 * GIF.length);
});

test("behind a redirect it is the last address that is compared", async () => {
  const { server, state, read } = await setUp({ etag: '"1"' });
  await read(() => true, "/moved");
  expect(await read(() => true, "/moved")).toEqual({ unchanged: digestOf(GIF) });
  expect(await read(() => true)).toEqual({ unchanged: digestOf(GIF) });
  expect(state.sent).toBe(GIF.length);
  expect(server.requests.map(({ path, headers }) => [path, headers["if-none-match"]])).toEqual([
    ["/moved", undefined],
    ["/a.gif", undefined],
    ["/moved", undefined],
    ["/a.gif", '"1"'],
    ["/a.gif", '"1"'],
  ]);
});

test("what was refused is never unchanged", async () => {
  const { state, read } = await setUp({ etag: '"1"' });
  state.bytes = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>');
  for (let i = 0; i < 2; i += 1)
    expect(await read(() => true)).toMatchObject({ failure: "refused" });
});

test("where it cannot be found out whether it is known, the reading fails", async () => {
  const { read } = await setUp({ etag: '"1"' });
  await read();
  const broken = async () => Promise.reject(new Error("no cache"));
  await expect(read(broken)).rejects.toThrow("no cache");
});
