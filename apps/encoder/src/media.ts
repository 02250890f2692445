/** Reading media by address: a trust boundary. Only what the operator allows is read, within bounds. */
import { open, realpath, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describeError } from "@marquetry/runtime/errors";

export type MediaResult =
  | { readonly bytes: Uint8Array }
  | { readonly failure: MediaFailure; readonly detail: string };

export type MediaFailure = "not-found" | "refused" | "too-large" | "undecodable" | "unreachable";

export type MediaReader = (url: string) => Promise<MediaResult>;

export interface MediaLimits {
  /** Folder below which `file:` URLs are read; none are without it. */
  readonly fileRoot: string | undefined;
  /** Hosts (`name` or `name:port`) that `http:` and `https:` URLs may name. */
  readonly httpHosts: readonly string[];
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

export function createMediaReader(limits: MediaLimits): MediaReader {
  return async (address) => {
    const url = URL.parse(address);
    if (url === null) return failure("refused", "expected a URL");
    switch (url.protocol) {
      case "data:":
        return readDataUrl(url, limits);
      case "file:":
        return readFileUrl(url, limits);
      case "http:":
      case "https:":
        return readHttpUrl(url, limits);
      default:
        return failure("refused", "expected a data:, file:, http: or https: URL");
    }
  };
}

/** The URL as parsed is plain ASCII: what is not, stands in it percent-encoded. */
function readDataUrl({ href }: URL, limits: MediaLimits): MediaResult {
  const match = /^data:[^,]*?(; *base64)?,/i.exec(href);
  if (match === null) return failure("undecodable", "expected data:[type][;base64],…");
  const body = href
    .slice(match[0].length)
    .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  const bytes = Buffer.from(body, match[1] === undefined ? "latin1" : "base64");
  return bytes.length > limits.bytesMax ? tooLarge(limits) : { bytes };
}

async function readFileUrl(url: URL, limits: MediaLimits): Promise<MediaResult> {
  if (limits.fileRoot === undefined) return failure("refused", "file: media are not enabled");
  try {
    const address = fileURLToPath(url);
    const root = await realpath(limits.fileRoot);
    // First by name, so that nobody learns from the answer what exists elsewhere; then where the
    // links lead.
    const named = [root, resolve(limits.fileRoot)].some((folder) => isBelow(folder, address));
    if (!named) return outside();
    const path = await realpath(address);
    if (!isBelow(root, path)) return outside();
    // Before it is opened: opening a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) return failure("refused", "not a file");
    await using file = await open(path, "r");
    return await readAtMost(file.createReadStream({ autoClose: false }), limits);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return failure("not-found", "no such file");
    return failure("refused", describeError(error));
  }
}

function isBelow(folder: string, path: string): boolean {
  return path.startsWith(folder + sep);
}

async function readHttpUrl(url: URL, limits: MediaLimits): Promise<MediaResult> {
  if (!limits.httpHosts.includes(url.host))
    return failure("refused", `host ${url.host} is not allowed`);
  if (url.username !== "" || url.password !== "")
    return failure("refused", "addresses with a user or a password are not read");
  try {
    const response = await fetch(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(limits.timeoutMs),
    });
    const refusal = refusalOf(response.status);
    if (refusal === undefined && response.body !== null)
      return await readAtMost(response.body, limits);
    await response.body?.cancel();
    return refusal ?? { bytes: new Uint8Array(0) };
  } catch (error) {
    return failure("unreachable", describeError(error));
  }
}

function refusalOf(status: number): MediaResult | undefined {
  if (status >= 200 && status < 300) return undefined;
  const detail = `status ${status}`;
  // Followed, a redirect could lead to a host that is not on the list.
  if (status >= 300 && status < 400) return failure("refused", `${detail}: a redirect`);
  if (status === 404 || status === 410) return failure("not-found", detail);
  return failure("unreachable", detail);
}

async function readAtMost(
  stream: AsyncIterable<Uint8Array>,
  limits: MediaLimits,
): Promise<MediaResult> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    // Leaving the loop ends the transfer.
    if (length > limits.bytesMax) return tooLarge(limits);
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks) };
}

function outside(): MediaResult {
  return failure("refused", "outside the folder of media");
}

function failure(cause: MediaFailure, detail: string): MediaResult {
  return { failure: cause, detail };
}

function tooLarge(limits: MediaLimits): MediaResult {
  return failure("too-large", `more than ${limits.bytesMax} bytes`);
}
