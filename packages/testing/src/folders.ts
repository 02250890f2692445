/** Temporary folders. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Contents by path inside the folder. */
type Files = Readonly<Record<string, string | Uint8Array>>;

const opened: string[] = [];

/** The path of a new folder with these files, until `removeFolders`. */
export async function newFolder(files: Files = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "marquetry-"));
  opened.push(directory);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  return directory;
}

/** Removes what `newFolder` made in this test file; for `afterAll`. */
export async function removeFolders(): Promise<void> {
  for (const directory of opened.splice(0)) await rm(directory, { recursive: true, force: true });
}

/** A new folder with these files, removed when it is disposed of. */
export async function temporaryFolder(files: Files = {}) {
  const directory = await newFolder(files);
  return {
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
