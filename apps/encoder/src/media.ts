/** Reading media by address: a trust boundary. Only what the operator allows is read, within bounds. */
import { open, realpath } from "node:fs/promises";
import { sep } from "node:path";
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
        return readDataUrl(address, limits);
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

function readDataUrl(address: string, limits: MediaLimits): MediaResult {
  const match = /^data:[^,]*?(;base64)?,/i.exec(address);
  if (match === null) return failure("undecodable", "expected data:[type][;base64],…");
  const body = address.slice(match[0].length);
  if (body.length > limits.bytesMax * 2) return tooLarge(limits);
  let bytes: Uint8Array;
  try {
    bytes =
      match[1] === undefined
        ? Buffer.from(decodeURIComponent(body), "latin1")
        : Buffer.from(body, "base64");
  } catch (error) {
    return failure("undecodable", describeError(error));
  }
  return bytes.length > limits.bytesMax ? tooLarge(limits) : { bytes };
}

async function readFileUrl(url: URL, limits: MediaLimits): Promise<MediaResult> {
  if (limits.fileRoot === undefined) return failure("refused", "file: media are not enabled");
  try {
    const root = await realpath(limits.fileRoot);
    const path = await realpath(fileURLToPath(url));
    if (!path.startsWith(root + sep)) return failure("refused", "outside the folder of media");
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > limits.bytesMax) return tooLarge(limits);
    return { bytes: await file.readFile() };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return failure("not-found", "no such file");
    return failure("refused", describeError(error));
  }
}

async function readHttpUrl(url: URL, limits: MediaLimits): Promise<MediaResult> {
  if (!limits.httpHosts.includes(url.host))
    return failure("refused", `host ${url.host} is not allowed`);
  try {
    // Redirects are refused: they could lead to a host that is not on the list.
    const response = await fetch(url, {
      redirect: "error",
      signal: AbortSignal.timeout(limits.timeoutMs),
    });
    if (response.status === 404 || response.status === 410) {
      await response.body?.cancel();
      return failure("not-found", `status ${response.status}`);
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return failure("unreachable", `status ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body) {
      length += chunk.length;
      // Leaving the loop cancels the transfer.
      if (length > limits.bytesMax) return tooLarge(limits);
      chunks.push(chunk);
    }
    return { bytes: Buffer.concat(chunks) };
  } catch (error) {
    return failure("unreachable", describeError(error));
  }
}

function failure(cause: MediaFailure, detail: string): MediaResult {
  return { failure: cause, detail };
}

function tooLarge(limits: MediaLimits): MediaResult {
  return failure("too-large", `more than ${limits.bytesMax} bytes`);
}
