/** What every unary call gets: a bound on concurrent calls, checked input, the deadline, and errors as
 * gRPC statuses. */
import { status } from "@grpc/grpc-js";
import type { handleUnaryCall } from "@grpc/grpc-js";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { findProblem } from "@marquetry/contracts/validation";
import { MarquetryError, toMarquetryError } from "@marquetry/runtime/errors";
import type { ErrorCode } from "@marquetry/runtime/errors";
import type { CallEvents } from "./call-events.js";

const STATUS: Record<ErrorCode, status> = {
  invalid: status.INVALID_ARGUMENT,
  "not-found": status.NOT_FOUND,
  unavailable: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  overloaded: status.RESOURCE_EXHAUSTED,
  corrupt: status.INTERNAL,
  internal: status.INTERNAL,
};

/** Longest wait of a call that names no deadline. */
const CALL_MS_MAX = 10_000;

/** `signal` aborts when nobody waits for the answer any more: the deadline has passed, or the caller
 * has gone. */
export type Unary = <Input extends DescMessage, Output>(
  method: string,
  input: Input,
  answer: (request: MessageShape<Input>, signal: AbortSignal) => Promise<Output>,
) => handleUnaryCall<MessageShape<Input>, Output>;

export function createUnary(events: CallEvents, callsMax: number): Unary {
  let atWork = 0;
  return (method, input, answer) => (call, callback) => {
    const started = performance.now();
    const finish = (
      error: MarquetryError | undefined,
      value?: Awaited<ReturnType<typeof answer>>,
    ): void => {
      const code = error === undefined ? status.OK : STATUS[error.code];
      events.callAnswered(method, status[code], (performance.now() - started) / 1000);
      if (error === undefined) callback(null, value);
      else callback({ code, details: describe(error) });
    };
    if (atWork >= callsMax) {
      finish(new MarquetryError("overloaded", `more than ${callsMax} calls are at work`));
      return;
    }
    const problem = findProblem(input, call.request);
    if (problem !== undefined) {
      finish(new MarquetryError("invalid", problem.message, { field: problem.field }));
      return;
    }
    atWork += 1;
    const deadline = withDeadline(call.getDeadline());
    call.on("cancelled", () => deadline.abort());
    const work = answer(call.request, deadline.signal).finally(() => (atWork -= 1));
    // Work that outlives its deadline still counts as being at work.
    Promise.race([work, deadline.passed])
      .then(
        (value) => finish(undefined, value),
        (thrown: unknown) => {
          const error = toMarquetryError(thrown);
          if (error.code === "internal" || error.code === "corrupt")
            events.callFailed(method, thrown);
          finish(error);
        },
      )
      .finally(() => deadline.clear());
  };
}

function withDeadline(deadline: Date | number): {
  readonly signal: AbortSignal;
  readonly passed: Promise<never>;
  abort(): void;
  clear(): void;
} {
  const remainingMs = Math.min(Number(deadline) - Date.now(), CALL_MS_MAX);
  const { promise, reject } = Promise.withResolvers<never>();
  const controller = new AbortController();
  const abort = (): void => {
    const error = new MarquetryError("deadline", "the deadline has passed");
    reject(error);
    controller.abort(error);
  };
  const timer = setTimeout(abort, Math.max(0, remainingMs));
  return { signal: controller.signal, passed: promise, abort, clear: () => clearTimeout(timer) };
}

function describe(error: MarquetryError): string {
  return error.field === undefined || error.field === ""
    ? error.message
    : `${error.field}: ${error.message}`;
}
