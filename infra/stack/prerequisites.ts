/** What the stack needs of the machine when no Docker engine answers: system packages, Kafka's
 * jars and the Python environment of Qdrant's engine. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { StackError } from "./options.js";
import type { StackOptions } from "./options.js";

export interface Prerequisites {
  /** Folder of Kafka's jars. */
  readonly kafkaLibraries: string;
  /** Interpreter that can import Qdrant's engine. */
  readonly python: string;
}

interface Tool {
  readonly needs: string;
  /** A shell command that succeeds where the tool is there and new enough. */
  readonly check: string;
  /** Debian packages that bring it, the first that the distribution knows. */
  readonly packages: readonly string[];
}

const JAVA: Tool = {
  needs: "Java 17 or later",
  check: `java -version 2>&1 | grep -Eq 'version "(1[7-9]|[2-9][0-9])'`,
  packages: ["openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless"],
};
const MAVEN: Tool = { needs: "Maven", check: "command -v mvn", packages: ["maven"] };
const REDIS: Tool = {
  needs: "redis-server",
  check: "command -v redis-server",
  packages: ["redis-server"],
};
const PYTHON: Tool = {
  needs: "Python 3.10 or later with venv",
  check: `python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))'`,
  packages: ["python3-venv"],
};

const FFMPEG: Tool = { needs: "ffmpeg", check: "command -v ffmpeg", packages: ["ffmpeg"] };

const MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.11.0";
const KAFKA_POM = source("kafka/pom.xml");
const QDRANT_REQUIREMENTS = source("qdrant/requirements.txt");

const run = promisify(execFile);

/** Installs what is missing. @throws StackError that names all of it where that cannot be done */
export async function installPrerequisites(options: StackOptions): Promise<Prerequisites> {
  const places = prerequisitePlaces(options.cacheDirectory);
  const haveLibraries = existsSync(places.kafkaLibraries);
  const havePython = await succeeds(`"${places.python}" -c 'import qdrant_edge'`);

  const needed = [JAVA, REDIS, ...(haveLibraries ? [] : [MAVEN]), ...(havePython ? [] : [PYTHON])];
  const missing: Tool[] = [];
  for (const tool of needed) if (!(await succeeds(tool.check))) missing.push(tool);
  if (missing.length > 0) await installPackages(missing, options);

  await Promise.all([
    haveLibraries ? undefined : fetchKafka(places.kafkaLibraries, options),
    havePython ? undefined : makePython(dirname(dirname(places.python)), options),
  ]);
  return places;
}

/** Video needs it, the stack does not. @throws StackError where it is missing and stays so */
export async function installVideoDecoder(options: Pick<StackOptions, "report">): Promise<void> {
  if (!(await succeeds(FFMPEG.check))) await installPackages([FFMPEG], options);
}

/** Where they are stored, whether they are there or not. A change of version is another folder. */
export function prerequisitePlaces(cacheDirectory: string): Prerequisites {
  return {
    kafkaLibraries: join(cacheDirectory, `kafka-${digest(KAFKA_POM)}`),
    python: join(cacheDirectory, `qdrant-${digest(QDRANT_REQUIREMENTS)}`, "bin", "python"),
  };
}

/** The one line for a machine where this program cannot install packages. */
export function refusal(missing: readonly Tool[]): string {
  const needs = missing.map((tool) => tool.needs).join(", ");
  const packages = missing.map((tool) => tool.packages[0]).join(" ");
  return `the stack needs, and does not find: ${needs}. Install them (on Debian or Ubuntu: apt-get install ${packages}) or start a Docker engine.`;
}

async function installPackages(
  missing: readonly Tool[],
  options: Pick<StackOptions, "report">,
): Promise<void> {
  if (process.getuid?.() !== 0 || !(await isDebian())) throw new StackError(refusal(missing));
  await aptGet(["update"]);
  const packages: string[] = [];
  for (const { packages: names } of missing) packages.push(await firstKnown(names));
  options.report(`installing the system packages ${packages.join(", ")} with apt-get`);
  await withoutServiceStart(() =>
    aptGet(["install", "-y", "--no-install-recommends", ...packages]),
  );
  if (missing.includes(REDIS)) {
    await succeeds("command -v systemctl && systemctl disable redis-server");
  }
  const still: Tool[] = [];
  for (const tool of missing) if (!(await succeeds(tool.check))) still.push(tool);
  if (still.length > 0) throw new StackError(refusal(still));
}

async function isDebian(): Promise<boolean> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release) && succeeds("command -v apt-get");
}

async function firstKnown(names: readonly string[]): Promise<string> {
  for (const name of names) if (await succeeds(`apt-cache show ${name}`)) return name;
  return names[0]!;
}

async function aptGet(args: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // `apt-get` waits for another one to finish instead of failing.
  await attempt("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=120", ...args], { env });
}

/**
 * The Redis package would start a server of its own on port 6379, now and at every boot; ours is
 * another. Debian asks `policy-rc.d` before it starts a service: 101 forbids it.
 */
async function withoutServiceStart(install: () => Promise<void>): Promise<void> {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install();
  } finally {
    if (ours) await rm(policy, { force: true });
  }
}

async function fetchKafka(folder: string, options: StackOptions): Promise<void> {
  options.report("fetching Kafka's jars with Maven (about 44 MB, once for this user)");
  await buildFolder(folder, async (building) => {
    const goal = `${MAVEN_PLUGIN}:copy-dependencies`;
    const settings = ["-DincludeScope=runtime", `-DoutputDirectory=${building}`];
    await attempt("mvn", [
      "-q",
      "-B",
      "-ntp",
      "-Dstyle.color=never",
      "-f",
      KAFKA_POM,
      goal,
      ...settings,
    ]);
  });
}

async function makePython(folder: string, options: StackOptions): Promise<void> {
  options.report(
    "making the Python environment of Qdrant's engine (about 40 MB, once for this user)",
  );
  await buildFolder(folder, async (building) => {
    await attempt("python3", ["-m", "venv", building]);
    const flags = [
      "--quiet",
      "--disable-pip-version-check",
      "--no-cache-dir",
      "--only-binary=:all:",
    ];
    const python = join(building, "bin", "python");
    await attempt(python, ["-m", "pip", "install", ...flags, "-r", QDRANT_REQUIREMENTS]);
  });
}

/** Fills a new folder and gives it its name when it is complete, so that an interrupted download
 * is never taken for a whole one and two programs may do the same at once. */
async function buildFolder(
  folder: string,
  fill: (building: string) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const building = await mkdtemp(`${folder}.building-`);
  try {
    await fill(building);
    await rm(folder, { recursive: true, force: true });
    await rename(building, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function attempt(command: string, args: readonly string[], options = {}): Promise<void> {
  try {
    await run(command, args, { maxBuffer: 16 * 1024 * 1024, ...options });
  } catch (error) {
    const {
      message,
      stdout = "",
      stderr = "",
    } = error as Error & { stdout?: string; stderr?: string };
    const said = `${stdout}\n${stderr}`.trim().split("\n").slice(-15).join("\n");
    throw new StackError(`${command} failed: ${said || message}`);
  }
}

async function succeeds(shellCommand: string): Promise<boolean> {
  return run("sh", ["-c", shellCommand]).then(
    () => true,
    () => false,
  );
}

function digest(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 12);
}

/** Path of a file that stands beside the TypeScript sources and is not compiled. */
function source(path: string): string {
  return fileURLToPath(new URL(`../../stack/${path}`, import.meta.url));
}
