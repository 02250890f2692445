import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import type { MediaKind, MediaLimits } from "../../src/media/limits.js";
import { readDataUrl } from "../../src/media/local-media.js";
import { createMediaReader } from "../../src/media/media-reader.js";
import type { MediaResult } from "../../src/media/media-reader.js";
import { bytesOf, GIF, LIMITS, padded } from "./media-server.js";

async function read(
  url: string,
  limits: Partial<MediaLimits> = {},
  kind: MediaKind = "image",
): Promise<MediaResult> {
  const reader = createMediaReader({ ...LIMITS, ...limits });
  const result = await reader.read({ url, kind });
  await reader.close();
  return result;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

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
  ])("%s are decoded", (_, url, expected) => {
    const bytes = readDataUrl(new URL(url), 100);
    expect("failure" in bytes ? bytes : Buffer.from(bytes).toString("latin1")).toBe(expected);
  });

  test.each(["data:", "data:image/png;base64", "data:abc"])("%p lacks its comma", async (url) => {
    expect(await read(url)).toMatchObject({ failure: "undecodable" });
  });

  test("a picture comes with the digest of its bytes", async () => {
    const sha256 = createHash("sha256").update(GIF).digest("hex");
    expect(await read(`data:image/gif;base64,${base64(GIF)}`)).toEqual({
      bytes: Buffer.from(GIF),
      digest: `sha256:${sha256}`,
    });
  });

  test("what it says it is counts for nothing", async () => {
    expect(bytesOf(await read(`data:image/svg+xml;base64,${base64(GIF)}`))).toEqual(
      Buffer.from(GIF),
    );
    const svg = encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg"/>');
    expect(await read(`data:image/png,${svg}`)).toEqual({
      failure: "refused",
      detail: "is markup (SVG, XML, HTML)",
    });
    expect(await read("data:image/png,abc")).toMatchObject({ failure: "undecodable" });
  });

  test("a picture is no video, and each has its own bound", async () => {
    const video = `data:,${encodeURIComponent("\0\0\0\x20ftypisom")}`;
    expect(await read(video, {}, "video")).toMatchObject({ digest: expect.any(String) });
    expect(await read(video)).toEqual({ failure: "undecodable", detail: "is MP4, not image" });
    expect(await read(`data:;base64,${base64(GIF)}`, {}, "video")).toMatchObject({
      failure: "undecodable",
    });
    const long = video + "x".repeat(1_500);
    expect(await read(long, {}, "video")).toMatchObject({ digest: expect.any(String) });
    expect(await read(long)).toMatchObject({ failure: "too-large" });
  });

  test("the bound counts decoded bytes", async () => {
    const data = (bytes: number) => `data:;base64,${base64(padded(bytes))}`;
    expect(bytesOf(await read(data(1_000)))).toHaveLength(1_000);
    expect(await read(data(1_001))).toEqual({
      failure: "too-large",
      detail: "more than 1000 bytes",
    });
    const encoded = [...padded(1_000)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`);
    expect(bytesOf(await read(`data:,${encoded.join("")}`))).toEqual(padded(1_000));
  });
});

describe("file: addresses", () => {
  let folder: string;
  let root: string;
  const inRoot = (...path: string[]) => pathToFileURL(join(root, ...path)).href;
  const readFile = (url: string) => read(url, { fileRoot: root });

  beforeAll(async () => {
    folder = await newFolder();
    root = join(folder, "media");
    await mkdir(join(root, "shoes"), { recursive: true });
    await mkdir(join(folder, "media-of-others"));
    await writeFile(join(root, "shoes", "1 ü.png"), GIF);
    await writeFile(join(folder, "secret"), GIF);
    await writeFile(join(folder, "media-of-others", "1.png"), GIF);
    await writeFile(join(root, "full.png"), padded(1_000));
    await writeFile(join(root, "huge.png"), "");
    await truncate(join(root, "huge.png"), 2_000_000_000);
    await symlink(join(folder, "secret"), join(root, "link-out.png"));
    await symlink(folder, join(root, "folder-out"));
    await symlink(join(root, "shoes", "1 ü.png"), join(root, "link-in.png"));
    await symlink(root, join(folder, "linked-media"));
    execFileSync("mkfifo", [join(root, "pipe.png")]);
  });

  afterAll(removeFolders);

  test("files below the folder are read, by a link within it too", async () => {
    expect(bytesOf(await readFile(inRoot("shoes", "1 ü.png")))).toEqual(Buffer.from(GIF));
    expect(bytesOf(await readFile(inRoot("link-in.png")))).toEqual(Buffer.from(GIF));
    expect(bytesOf(await readFile(inRoot("full.png")))).toHaveLength(1_000);
  });

  test("the folder may itself be a link, named either way", async () => {
    const fileRoot = join(folder, "linked-media");
    const linked = pathToFileURL(join(fileRoot, "full.png")).href;
    for (const url of [linked, inRoot("full.png")])
      expect(bytesOf(await read(url, { fileRoot }))).toHaveLength(1_000);
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
