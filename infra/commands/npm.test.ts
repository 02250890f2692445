/** What npm itself prints, by the settings in .npmrc. */
import { spawnSync } from "node:child_process";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";

const root = fileURLToPath(new URL("../../..", import.meta.url));
// npm gives its settings to its children; the ones of the npm that runs these tests are not ours.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_")),
);

function npm(folder: string, ...args: string[]) {
  return spawnSync("npm", args, { cwd: folder, env, encoding: "utf8" });
}

/** The only workspace's scripts. */
function listedScripts(stdout: string): unknown {
  return Object.values(JSON.parse(stdout) as Record<string, unknown>)[0];
}

describe("a mistyped command", () => {
  test("is named on stderr with the way to the list of commands", () => {
    const { status, stdout, stderr } = npm(root, "run", "trian");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain('Missing script: "trian"');
    expect(stderr).toMatch(/To see a list of scripts, run:\n.*npm run/);
  });

  test("is found in the list that `npm run` prints", async () => {
    const { status, stdout } = npm(root, "run");
    const manifest = await readFile(join(root, "package.json"), "utf8");
    const { scripts } = JSON.parse(manifest) as { readonly scripts: Record<string, string> };
    expect({ status, scripts: listedScripts(stdout) }).toEqual({ status: 0, scripts });
  });
});

describe("stdout belongs to the command", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await newFolder();
    await copyFile(join(root, ".npmrc"), join(folder, ".npmrc"));
    await writeFile(
      join(folder, "print.mjs"),
      "console.log(JSON.stringify(process.argv.slice(2)))",
    );
    const scripts = { report: "node print.mjs", fail: "node print.mjs fails && exit 3" };
    await writeFile(join(folder, "package.json"), JSON.stringify({ name: "printer", scripts }));
  });
  afterAll(removeFolders);

  test("which prints JSON alone", () => {
    const { status, stdout } = npm(folder, "run", "report", "--", "--json");
    expect({ status, stdout }).toEqual({ status: 0, stdout: '["--json"]\n' });
  });

  test("and fails with its own status", () => {
    const { status, stdout } = npm(folder, "run", "fail");
    expect({ status, stdout }).toEqual({ status: 3, stdout: '["fails"]\n' });
  });
});
