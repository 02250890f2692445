/** Media over HTTP: redirects, retries and what an answer means. */
import { setTimeout } from "node:timers/promises";
import { describeError } from "@marquetry/runtime/errors";
import { AddressRefused } from "./connections.js";
import type { Answer, Connections } from "./connections.js";
import type { Hosts } from "./hosts.js";
import { failed, readAtMost, tooLarge } from "./limits.js";
import type { FailedMedia, MediaLimits } from "./limits.js";
import type { RetryPolicy } from "./retry-policy.js";
import { httpRefusal, redirectTarget } from "./url-policy.js";
import type { Validator } from "./validators.js";

export type HttpMedia =
  | { readonly bytes: Uint8Array; readonly url: string; readonly validator: HttpValidator }
  | { readonly unchanged: string }
  | FailedMedia;

export type HttpValidator = Omit<Validator, "digest">;

export interface HttpRequest {
  readonly url: URL;
  readonly bytesMax: number;
  /** What to compare with; `undefined` asks for the medium whatever it is. */
  readonly validatorOf: (url: string) => Promise<Validator | undefined>;
}

export interface HttpDeps {
  readonly connections: Connections;
  readonly hosts: Hosts;
  readonly limits: MediaLimits;
  readonly retryPolicy: RetryPolicy;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** What one request came to. */
type Step = HttpMedia | { readonly location: string } | TransientFailure;

interface TransientFailure {
  readonly transientFailure: string;
  /** The pause that the host asks for. */
  readonly retryAfterMs?: number;
}

export function isTransientFailure(result: unknown): boolean {
  return typeof result === "object" && result !== null && "transientFailure" in result;
}

export const wait = (ms: number, signal: AbortSignal): Promise<unknown> =>
  setTimeout(ms, undefined, { signal });

export async function readHttpUrl(request: HttpRequest, deps: HttpDeps): Promise<HttpMedia> {
  const { limits, retryPolicy } = deps;
  const signal = AbortSignal.timeout(limits.timeoutMs);
  let { url } = request;
  for (let redirects = 0; redirects <= retryPolicy.redirectsMax; redirects += 1) {
    const refusal = httpRefusal(url, limits);
    if (refusal !== undefined) return refusal;
    const step = await requestWithRetries(url, request, deps, signal);
    if (!("location" in step)) return step;
    const next = redirectTarget(url, step.location);
    if ("failure" in next) return next;
    url = next;
  }
  return failed("refused", `more than ${retryPolicy.redirectsMax} redirects`);
}

/** Asks again while the failure is transient and time remains. */
async function requestWithRetries(
  url: URL,
  request: HttpRequest,
  { hosts, retryPolicy, wait: pause, ...deps }: HttpDeps,
  signal: AbortSignal,
): Promise<Exclude<Step, TransientFailure>> {
  let failure = "no request was made";
  try {
    for (let attempt = 1; attempt <= retryPolicy.attemptsMax; attempt += 1) {
      const step = await hosts.run(url.host, () => requestOnce(url, request, deps, signal), signal);
      if (step === "busy") return failed("unreachable", `too many wait for host ${url.host}`);
      if (step === "circuit-open")
        return failed("unreachable", `host ${url.host} keeps failing: its circuit is open`);
      if (!("transientFailure" in step)) return step;
      const { transientFailure, retryAfterMs = 0 } = step;
      failure = transientFailure;
      if (attempt === retryPolicy.attemptsMax || retryAfterMs > retryPolicy.retryAfterMsMax) break;
      // Those that failed together must not come back together.
      const jitter = Math.random() * retryPolicy.backoffMs * 2 ** (attempt - 1);
      await pause(retryAfterMs + jitter, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    failure += `; gave up after ${deps.limits.timeoutMs} ms`;
  }
  return failed("unreachable", failure);
}

async function requestOnce(
  url: URL,
  { bytesMax, validatorOf }: HttpRequest,
  { connections }: Pick<HttpDeps, "connections">,
  signal: AbortSignal,
): Promise<Step> {
  const known = await validatorOf(url.href);
  let answer: Answer | undefined;
  try {
    answer = await connections.get(url, headersOf(known), signal);
    return await interpret(answer, url, bytesMax, known);
  } catch (error) {
    if (error instanceof AddressRefused) return failed("refused", error.message);
    return { transientFailure: describeError(error) };
  } finally {
    answer?.body.destroy();
  }
}

function headersOf(known: Validator | undefined): Record<string, string> {
  return {
    accept: "image/*, video/*",
    // What arrives is what is counted: nothing inflates.
    "accept-encoding": "identity",
    "user-agent": "marquetry-encoder",
    ...(known?.etag === undefined ? {} : { "if-none-match": known.etag }),
    ...(known?.lastModified === undefined ? {} : { "if-modified-since": known.lastModified }),
  };
}

async function interpret(
  answer: Answer,
  url: URL,
  bytesMax: number,
  known: Validator | undefined,
): Promise<Step> {
  const { status } = answer;
  const detail = `status ${status}`;
  if (status === 304 && known !== undefined) return { unchanged: known.digest };
  if (REDIRECTS.has(status)) {
    const location = answer.header("location");
    return location === undefined ? failed("unreachable", detail) : { location };
  }
  if (status === 404 || status === 410) return failed("not-found", detail);
  if (status === 429 || status >= 500)
    return { transientFailure: detail, retryAfterMs: retryAfterMs(answer.header("retry-after")) };
  if (status !== 200) return failed("unreachable", detail);
  const encoding = answer.header("content-encoding") ?? "identity";
  if (encoding !== "identity") return failed("undecodable", `content-encoding: ${encoding}`);
  // A length may lie; it can only lead to a refusal, and what comes is counted all the same.
  if (Number(answer.header("content-length") ?? 0) > bytesMax) return tooLarge(bytesMax);
  const bytes = await readAtMost(answer.body, bytesMax);
  if ("failure" in bytes) return bytes;
  const validator = { etag: answer.header("etag"), lastModified: answer.header("last-modified") };
  return { bytes, url: url.href, validator };
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Seconds or a date; 0 where it is neither. */
function retryAfterMs(header = ""): number {
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
}
