import { inspect, types } from "node:util";

/**
 * Every way in which a part of Marquetry can fail, mapped to a gRPC status or a dead-letter
 * cause only at the edge.
 *
 * - `invalid`: the input is wrong; `field` names it. Never retried.
 * - `not-found`: the requested thing does not exist.
 * - `unavailable`: a dependency is out of reach; worth a retry without end.
 * - `deadline`: the caller's time is up.
 * - `overloaded`: a bound is reached; worth a retry later.
 * - `corrupt`: stored or fetched data is not what it should be.
 * - `internal`: a mistake of ours.
 */
export type ErrorCode =
  | "invalid"
  | "not-found"
  | "unavailable"
  | "deadline"
  | "overloaded"
  | "corrupt"
  | "internal";

export interface ErrorDetails {
  /** Path of the offending field, such as `upserted.price`. */
  readonly field?: string;
  /** Internal detail, for logs; never shown to a caller. */
  readonly cause?: unknown;
}

/** The one error class: a code from a closed union and a message that a caller may see. */
export class MarquetryError extends Error {
  override readonly name = "MarquetryError";
  readonly code: ErrorCode;
  readonly field: string | undefined;

  constructor(code: ErrorCode, publicMessage: string, details: ErrorDetails = {}) {
    super(publicMessage, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field;
  }
}

/** Anything thrown as a MarquetryError: what is not one becomes `internal`. */
export function toMarquetryError(thrown: unknown): MarquetryError {
  if (thrown instanceof MarquetryError) return thrown;
  return new MarquetryError("internal", "an internal error happened", { cause: thrown });
}

/** One line for a log: the message and those of its causes. */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  let current: unknown = thrown;
  while (current !== undefined && parts.length < 5) {
    const error = current instanceof Error || types.isNativeError(current) ? current : undefined;
    parts.push(error === undefined ? inspect(current, ONE_LINE) : messageOf(error));
    current = error?.cause;
  }
  return parts.join(": ");
}

const ONE_LINE = { breakLength: Infinity, compact: true } as const;

/** Node's error for a host none of whose addresses answers has a code and no message. */
function messageOf(error: NodeJS.ErrnoException): string {
  return error.message || (error.code ?? error.name);
}
