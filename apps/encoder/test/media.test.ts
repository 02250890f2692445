import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createMediaReader } from "../src/media.js";
import type { MediaLimits, MediaResult } from "../src/media.js";

const LIMITS: MediaLimits = {
  fileRoot: undefined,
  httpHosts: [],
  bytesMax: 1_000,
  timeoutMs: 20_000,
};

function read(url: string, limits: Partial<MediaLimits> = {}): Promise<MediaResult> {
  return createMediaReader({ ...LIMITS, ...limits })(url);
}

function textOf(result: MediaResult): string {
  if ("failure" in result) throw new Error(`${result.failure}: ${result.detail}`);
  return Buffer.from(result.bytes).toString("latin1");
}

describe("addresses", () => {
  test.each([
    "ftp://host/a.png",
    "javascript:alert(1)",
    "gopher://x",
    "a.png",
    "",
    "//host/a",
    "blob:x",
  ])("%p is refused: its scheme is not one of ours", async (url) => {
    expect(await read(url)).toMatchObject({ failure: "refused" });
  });
});

describe("data: addresses", () => {
  test.each([
    ["base64", "data:image/png;base64,iVBORw==", "\x89PNG"],
    ["base64 with parameters", "data:image/png;name=a;base64,iVBORw==", "\x89PNG"],
    ["base64 in capitals", "DATA:image/png;BASE64,iVBORw==", "\x89PNG"],
    ["base64 whose signs are percent-encoded", "data:;base64,iVBORw%3D%3D", "\x89PNG"],
    ["percent-encoded bytes", "data:image/png,%89PNG%0d", "\x89PNG\r"],
    ["plain text", "data:,abc", "abc"],
    ["text beyond ASCII, as UTF-8", "data:,é", "Ã©"],
    ["a percent sign that encodes nothing", "data:,5%zz", "5%zz"],
    ["nothing", "data:,", ""],
  ])("%s are decoded", async (_, url, expected) => {
    expect(textOf(await read(url))).toBe(expected);
  });

  test.each(["data:", "data:image/png;base64", "data:abc"])("%p lacks its comma", async (url) => {
    expect(await read(url)).toMatchObject({ failure: "undecodable" });
  });

  test("the bound counts decoded bytes", async () => {
    const data = (bytes: number) => `data:;base64,${Buffer.alloc(bytes).toString("base64")}`;
    expect(textOf(await read(data(1_000)))).toHaveLength(1_000);
    expect(await read(data(1_001))).toEqual({
      failure: "too-large",
      detail: "more than 1000 bytes",
    });
    expect(textOf(await read(`data:,${"%41".repeat(1_000)}`))).toHaveLength(1_000);
  });
});

describe("file: addresses", () => {
  let folder: string;
  let root: string;
  const inRoot = (...path: string[]) => pathToFileURL(join(root, ...path)).href;
  const readFile = (url: string) => read(url, { fileRoot: root });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "marquetry-media-"));
    root = join(folder, "media");
    await mkdir(join(root, "shoes"), { recursive: true });
    await mkdir(join(folder, "media-of-others"));
    await writeFile(join(root, "shoes", "1 ü.png"), "shoe");
    await writeFile(join(folder, "secret"), "secret");
    await writeFile(join(folder, "media-of-others", "1.png"), "other");
    await writeFile(join(root, "full.png"), "x".repeat(1_000));
    await writeFile(join(root, "huge.png"), "");
    await truncate(join(root, "huge.png"), 2_000_000_000);
    await symlink(join(folder, "secret"), join(root, "link-out.png"));
    await symlink(folder, join(root, "folder-out"));
    await symlink(join(root, "shoes", "1 ü.png"), join(root, "link-in.png"));
    await symlink(root, join(folder, "linked-media"));
    execFileSync("mkfifo", [join(root, "pipe.png")]);
  });

  afterAll(() => rm(folder, { recursive: true }));

  test("files below the folder are read, by a link within it too", async () => {
    expect(textOf(await readFile(inRoot("shoes", "1 ü.png")))).toBe("shoe");
    expect(textOf(await readFile(inRoot("link-in.png")))).toBe("shoe");
    expect(textOf(await readFile(inRoot("full.png")))).toHaveLength(1_000);
  });

  test("the folder may itself be a link, named either way", async () => {
    const fileRoot = join(folder, "linked-media");
    const linked = pathToFileURL(join(fileRoot, "full.png")).href;
    for (const url of [linked, inRoot("full.png")])
      expect(textOf(await read(url, { fileRoot }))).toHaveLength(1_000);
  });

  test("without a folder no file is read", async () => {
    expect(await read(inRoot("full.png"))).toMatchObject({ failure: "refused" });
  });

  test.each([
    ["..", (url: string) => `${url}/../secret`],
    ["encoded ..", (url: string) => `${url}/%2e%2e/secret`],
    [".. behind an encoded slash", (url: string) => `${url}/..%2fsecret`],
    ["a link to a file", (url: string) => `${url}/link-out.png`],
    ["a link to a folder", (url: string) => `${url}/folder-out/secret`],
    ["a folder whose name begins alike", (url: string) => `${url}-of-others/1.png`],
    ["an absolute path", () => "file:///etc/hostname"],
    ["the folder itself", (url: string) => url],
    ["another host", () => "file://host/etc/hostname"],
    ["a zero byte", (url: string) => `${url}/full.png%00.png`],
  ])("nothing outside the folder is read by %s", async (_, address) => {
    const result = await readFile(address(pathToFileURL(root).href));
    expect(result).toMatchObject({ failure: "refused" });
  });

  test("the answer does not tell what exists outside the folder", async () => {
    const there = await readFile(pathToFileURL(join(folder, "secret")).href);
    const absent = await readFile(pathToFileURL(join(folder, "absent")).href);
    expect(absent).toEqual(there);
  });

  test("what is missing below the folder is not found", async () => {
    for (const url of [inRoot("2.png"), inRoot("full.png", "deeper.png")])
      expect(await readFile(url)).toMatchObject({ failure: "not-found" });
  });

  test("a folder or a pipe is refused, and nothing waits for a writer", async () => {
    for (const name of ["shoes", "pipe.png"])
      expect(await readFile(inRoot(name))).toEqual({ failure: "refused", detail: "not a file" });
  });

  test("a file above the bound is not read to its end", async () => {
    expect(await readFile(inRoot("huge.png"))).toMatchObject({ failure: "too-large" });
  });
});

describe("http: addresses", () => {
  let server: Server;
  let host: string;
  const asked: string[] = [];
  const cut: Promise<void>[] = [];

  /** Writes without an end and without a length, until the reader goes away. */
  function pour(response: ServerResponse): void {
    cut.push(new Promise((resolve) => response.once("close", resolve)));
    const write = (): void => {
      if (!response.destroyed) response.write("x".repeat(400), () => setImmediate(write));
    };
    write();
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "";
    asked.push(path);
    if (path === "/shoe.png") response.end("shoe");
    else if (path === "/moved") response.writeHead(302, { location: "/shoe.png" }).end();
    else if (path === "/endless") pour(response);
    else if (path === "/halting") response.write("begins");
    else if (path === "/broken")
      response.writeHead(200, { "content-length": "9" }).write("abc", () => response.destroy());
    else if (path !== "/silent") response.writeHead(Number(path.slice(1))).end("no");
  }

  beforeAll(async () => {
    server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const get = (path: string, limits: Partial<MediaLimits> = {}) =>
    read(`http://${host}${path}`, { httpHosts: ["cdn.example", host], ...limits });

  test("media of a host on the list are read", async () => {
    expect(textOf(await get("/shoe.png"))).toBe("shoe");
  });

  test("a host that is not on the list is not asked, another port or none included", async () => {
    const before = asked.length;
    for (const httpHosts of [[], ["127.0.0.1"], ["localhost"], ["127.0.0.1:1"]])
      expect(await get("/shoe.png", { httpHosts })).toMatchObject({
        failure: "refused",
        detail: `host ${host} is not allowed`,
      });
    const disguised = `http://cdn.example@${host}/shoe.png`;
    expect(await read(disguised, { httpHosts: ["cdn.example"] })).toMatchObject({
      failure: "refused",
    });
    expect(asked).toHaveLength(before);
  });

  test("an address with a password is refused, and the password is not repeated", async () => {
    const result = await read(`http://me:s3cret@${host}/shoe.png`, { httpHosts: [host] });
    expect(result).toMatchObject({ failure: "refused" });
    expect(JSON.stringify(result)).not.toContain("s3cret");
  });

  test("a redirect is refused and not followed", async () => {
    const before = asked.length;
    expect(await get("/moved")).toEqual({ failure: "refused", detail: "status 302: a redirect" });
    expect(asked.slice(before)).toEqual(["/moved"]);
  });

  test.each([
    ["/404", "not-found"],
    ["/410", "not-found"],
    ["/403", "unreachable"],
    ["/500", "unreachable"],
    ["/503", "unreachable"],
  ])("status %s is %s", async (path, expected) => {
    expect(await get(path)).toEqual({ failure: expected, detail: `status ${path.slice(1)}` });
  });

  test("a transfer without a length ends at the bound, and the server notices", async () => {
    expect(await get("/endless")).toEqual({ failure: "too-large", detail: "more than 1000 bytes" });
    await Promise.all(cut);
  });

  test.each(["/silent", "/halting"])("%s is given up after the time allowed", async (path) => {
    expect(await get(path, { timeoutMs: 100 })).toEqual({
      failure: "unreachable",
      detail: expect.stringContaining("timeout"),
    });
  });

  test("a transfer that breaks off is unreachable, not a shorter picture", async () => {
    expect(await get("/broken")).toMatchObject({ failure: "unreachable" });
  });

  test("a host where nothing listens is unreachable, with the cause", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(closed.address() as AddressInfo).port}`;
    await new Promise((resolve) => closed.close(resolve));
    expect(await read(`http://${address}/a.png`, { httpHosts: [address] })).toEqual({
      failure: "unreachable",
      detail: expect.stringMatching(/^fetch failed: .*ECONNREFUSED/),
    });
  });
});
