/** What media may be read, how much of it and for how long; and how a reading can fail. */

/** What a caller can decode; anything else is not handed to it. */
export type MediaKind = "image" | "video";

export type MediaFailure = "not-found" | "refused" | "too-large" | "undecodable" | "unreachable";

export interface FailedMedia {
  readonly failure: MediaFailure;
  readonly detail: string;
}

/** What the operator sets. */
export interface MediaLimits {
  /** Folder below which `file:` URLs are read; none are without it. */
  readonly fileRoot: string | undefined;
  /**
   * Hosts that `http:` and `https:` URLs, and the redirects from them, may name: `name`,
   * `name:port`, `*.name` for what is below it, `*` for any. Without a port only that of the scheme.
   */
  readonly httpHosts: readonly string[];
  /** Those of them, written alike, that may be at private addresses. */
  readonly privateHosts: readonly string[];
  readonly bytesMax: Readonly<Record<MediaKind, number>>;
  /** For one medium as a whole: waiting for its host, redirects and repetitions included. */
  readonly timeoutMs: number;
  /** For a connection, for the head of an answer, and between two pieces of its body. */
  readonly idleMs: number;
  /** Requests to one host at a time. */
  readonly hostReadsMax: number;
}

export function failed(failure: MediaFailure, detail: string): FailedMedia {
  return { failure, detail };
}

export function tooLarge(bytesMax: number): FailedMedia {
  return failed("too-large", `more than ${bytesMax} bytes`);
}

/** Reads a stream to its end, or to its bound: leaving the loop ends the transfer. */
export async function readAtMost(
  stream: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array | FailedMedia> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > bytesMax) return tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
