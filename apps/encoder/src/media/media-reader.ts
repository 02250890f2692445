/**
 * Reading media by URL: a trust boundary. URLs come from whoever writes to the catalogue. Only what
 * the operator allows is read, within bounds, and only what is a picture or a film is handed on.
 */
import { createHash } from "node:crypto";
import { NETWORK, openConnections } from "./connections.js";
import type { Network } from "./connections.js";
import { createHosts } from "./hosts.js";
import { isTransientFailure, readHttpUrl, wait } from "./http-media.js";
import type { HttpDeps } from "./http-media.js";
import { failed } from "./limits.js";
import type { FailedMedia, MediaFailure, MediaKind, MediaLimits } from "./limits.js";
import { readDataUrl, readFileUrl } from "./local-media.js";
import { RETRY_POLICY } from "./retry-policy.js";
import type { RetryPolicy } from "./retry-policy.js";
import { sniff } from "./sniff.js";
import { createValidators } from "./validators.js";
import type { Validators } from "./validators.js";

export interface MediaReader {
  /**
   * Reads a medium, or finds that there is no need to. Does not reject, unless `isKnown` does.
   * Ends within `timeoutMs`, whatever its host does.
   */
  read(media: MediaRequest): Promise<MediaResult>;
  /** Breaks off what is being read. */
  close(): Promise<void>;
}

export interface MediaRequest {
  readonly url: string;
  readonly kind: MediaKind;
  /**
   * Whether the caller can do without the bytes of this digest, because it kept what it made of
   * them. Only then is a host asked whether the medium has changed since it was last read.
   */
  readonly isKnown?: (digest: string) => boolean | Promise<boolean>;
}

/** Digests are of the bytes and written as producers do: `sha256:` and 64 hexadecimal digits. */
export type MediaResult =
  | { readonly bytes: Uint8Array; readonly digest: string }
  /** The medium is still the one of this digest, for which `isKnown` said yes. */
  | { readonly unchanged: string }
  | FailedMedia;

export type MediaEvent =
  | { readonly kind: "media-read"; readonly outcome: "read" | "unchanged" | MediaFailure }
  | { readonly kind: "circuit-opened"; readonly host: string }
  | { readonly kind: "circuit-closed"; readonly host: string };

export interface MediaReaderDeps {
  readonly retryPolicy: RetryPolicy;
  readonly network: Network;
  readonly wait: HttpDeps["wait"];
  readonly onEvent: (event: MediaEvent) => void;
}

export function createMediaReader(
  limits: MediaLimits,
  deps: Partial<MediaReaderDeps> = {},
): MediaReader {
  const { retryPolicy = RETRY_POLICY, network = NETWORK, onEvent = () => {} } = deps;
  const connections = openConnections(limits, network);
  const hosts = createHosts({
    requestsMax: limits.hostReadsMax,
    retryPolicy,
    isTransientFailure,
    onCircuitOpened: (host) => onEvent({ kind: "circuit-opened", host }),
    onCircuitClosed: (host) => onEvent({ kind: "circuit-closed", host }),
  });
  const http = { connections, hosts, limits, retryPolicy, wait: deps.wait ?? wait };
  const validators = createValidators();
  return {
    async read(media) {
      const result = await readMedia(media, limits, http, validators);
      onEvent({ kind: "media-read", outcome: outcomeOf(result) });
      return result;
    },
    close: () => connections.close(),
  };
}

async function readMedia(
  { url: address, kind, isKnown }: MediaRequest,
  limits: MediaLimits,
  http: HttpDeps,
  validators: Validators,
): Promise<MediaResult> {
  const url = URL.parse(address);
  if (url === null) return failed("refused", "expected a URL");
  const bytesMax = limits.bytesMax[kind];
  switch (url.protocol) {
    case "data:":
      return accept(readDataUrl(url, bytesMax), kind);
    case "file:":
      return accept(await readFileUrl(url, limits.fileRoot, bytesMax), kind);
    case "http:":
    case "https:": {
      const validatorOf = async (at: string) => {
        const validator = isKnown === undefined ? undefined : validators.get(at);
        return validator !== undefined && (await isKnown?.(validator.digest))
          ? validator
          : undefined;
      };
      const answer = await readHttpUrl({ url, bytesMax, validatorOf }, http);
      if (!("bytes" in answer)) return answer;
      const accepted = accept(answer.bytes, kind);
      if ("digest" in accepted)
        validators.set(answer.url, { ...answer.validator, digest: accepted.digest });
      return accepted;
    }
    default:
      return failed("refused", "expected a data:, file:, http: or https: URL");
  }
}

function accept(bytes: Uint8Array | FailedMedia, kind: MediaKind): MediaResult {
  if ("failure" in bytes) return bytes;
  const sniffed = sniff(bytes);
  if (sniffed === undefined) return failed("undecodable", "neither a picture nor a video");
  if (sniffed.kind === "active") return failed("refused", `is ${sniffed.format}`);
  if (sniffed.kind !== kind) return failed("undecodable", `is ${sniffed.format}, not ${kind}`);
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}

function outcomeOf(result: MediaResult): "read" | "unchanged" | MediaFailure {
  if ("failure" in result) return result.failure;
  return "unchanged" in result ? "unchanged" : "read";
}
