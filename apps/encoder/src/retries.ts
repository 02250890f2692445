/** The retry policy of modalities: which failures are tried again, and when. */
import { FailureCause } from "@marquetry/contracts/events/product_pb";
import type { ModalityFailure, ProductEmbedded } from "@marquetry/contracts/events/product_pb";

/** Transient failures: they pass by themselves, or once somebody has mended the host or the machine. */
const TRANSIENT: ReadonlySet<FailureCause> = new Set([
  // Pictures are often uploaded a moment after their product.
  FailureCause.NOT_FOUND,
  FailureCause.UNREACHABLE,
  FailureCause.TIMEOUT,
  FailureCause.ENCODER,
  FailureCause.NO_DECODER,
]);

export interface AfterFailure {
  /** For the dead-letter topic: what will not be tried again. */
  readonly dead?: string;
  readonly retry?: Retry;
}

export interface Retry {
  /** From 1. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly modalities: readonly string[];
}

/** The attempt that an event came of, and the modalities that it was for; all of them at first. */
export interface Attempt {
  readonly attempt: number;
  readonly modalities?: readonly string[];
}

export const FIRST_ATTEMPT: Attempt = { attempt: 0 };

/**
 * @param delaysMs the pause before each further attempt; as many attempts as pauses
 */
export function afterFailure(
  { state }: ProductEmbedded,
  { attempt, modalities }: Attempt,
  delaysMs: readonly number[],
): AfterFailure {
  if (state.case !== "embedded") return {};
  // What failed now and not before is encoded already, for this very revision.
  const failed = state.value.failed.filter(
    ({ modality }) => modalities === undefined || modalities.includes(modality),
  );
  const delayMs = delaysMs[attempt];
  const again = delayMs === undefined ? [] : failed.filter(({ cause }) => TRANSIENT.has(cause));
  const dead = failed.filter((failure) => !again.includes(failure));
  return {
    ...(dead.length === 0 ? {} : { dead: dead.map(describeFailure).join("; ") }),
    ...(again.length === 0 || delayMs === undefined
      ? {}
      : {
          retry: {
            attempt: attempt + 1,
            delayMs,
            modalities: again.map(({ modality }) => modality),
          },
        }),
  };
}

export function causeName(cause: FailureCause): string {
  return (FailureCause[cause] ?? String(cause)).toLowerCase();
}

function describeFailure({ modality, cause, detail }: ModalityFailure): string {
  return `${modality}: ${causeName(cause)}: ${detail}`;
}
