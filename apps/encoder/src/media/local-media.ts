/** Media that need no network: `data:` and `file:` URLs. */
import { open, realpath, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describeError } from "@marquetry/runtime/errors";
import { failed, tooLarge } from "./limits.js";
import type { FailedMedia } from "./limits.js";

/** The URL as parsed is plain ASCII: what is not, stands in it percent-encoded. */
export function readDataUrl({ href }: URL, bytesMax: number): Uint8Array | FailedMedia {
  const match = /^data:[^,]*?(; *base64)?,/i.exec(href);
  if (match === null) return failed("undecodable", "expected data:[type][;base64],…");
  const body = href
    .slice(match[0].length)
    .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  const bytes = Buffer.from(body, match[1] === undefined ? "latin1" : "base64");
  return bytes.length > bytesMax ? tooLarge(bytesMax) : bytes;
}

/** @param fileRoot folder below which files are read; none are without it */
export async function readFileUrl(
  url: URL,
  fileRoot: string | undefined,
  bytesMax: number,
): Promise<Uint8Array | FailedMedia> {
  if (fileRoot === undefined) return failed("refused", "file: media are not enabled");
  try {
    const address = fileURLToPath(url);
    const root = await realpath(fileRoot);
    // First by name, so that nobody learns from the answer what exists elsewhere; then where the
    // links lead.
    const named = [root, resolve(fileRoot)].some((folder) => isBelow(folder, address));
    if (!named) return outside();
    const path = await realpath(address);
    if (!isBelow(root, path)) return outside();
    // Before it is opened: opening a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) return failed("refused", "not a file");
    await using file = await open(path, "r");
    return await readWhole(file, bytesMax);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return failed("not-found", "no such file");
    return failed("refused", describeError(error));
  }
}

/** Into one buffer of the file's size: a stream's buffers of 64 KiB, twice per file, kept the garbage
 * collector busier than all else in this process. What a file grows by meanwhile is not read. */
async function readWhole(file: FileHandle, bytesMax: number): Promise<Uint8Array | FailedMedia> {
  const { size } = await file.stat();
  if (size > bytesMax) return tooLarge(bytesMax);
  const bytes = Buffer.allocUnsafeSlow(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

function isBelow(folder: string, path: string): boolean {
  return path.startsWith(folder + sep);
}

function outside(): FailedMedia {
  return failed("refused", "outside the folder of media");
}
