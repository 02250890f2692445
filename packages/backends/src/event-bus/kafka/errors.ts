/** What kafkajs throws, in the words of the port. */
import { MarquetryError } from "@marquetry/runtime/errors";

/** kafkajs wraps errors several times over; the broker's own code is somewhere inside. */
function errorChain(thrown: unknown): { name?: string; type?: string }[] {
  const chain: { name?: string; type?: string }[] = [];
  for (let current = thrown; current instanceof Error && chain.length < 10;) {
    chain.push(current);
    const nested: unknown = "errors" in current ? current.errors : undefined;
    current = Array.isArray(nested) ? (nested[0] as unknown) : current.cause;
  }
  return chain;
}

/** Whether the broker answered with one of these codes. */
export function hasType(thrown: unknown, ...types: readonly string[]): boolean {
  return errorChain(thrown).some(({ type }) => type !== undefined && types.includes(type));
}

/** What is not the caller's mistake counts as a bus out of reach, which callers retry. */
export function toBusError(thrown: unknown): MarquetryError {
  if (thrown instanceof MarquetryError) return thrown;
  if (hasType(thrown, "MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE")) {
    return new MarquetryError("invalid", "a record is over the bound of its topic", {
      field: "value",
      cause: thrown,
    });
  }
  if (isFatal(thrown)) {
    return new MarquetryError("internal", "Kafka refuses this client", { cause: thrown });
  }
  return new MarquetryError("unavailable", "Kafka cannot be reached", { cause: thrown });
}

/** Errors that no new attempt can cure; the process has to end and somebody has to look. */
export function isFatal(thrown: unknown): boolean {
  return errorChain(thrown).some(
    ({ name = "", type = "" }) =>
      name === "KafkaJSNotImplemented" ||
      name === "KafkaJSSASLAuthenticationError" ||
      name === "KafkaJSUnsupportedMagicByteInMessageSet" ||
      type === "INCONSISTENT_GROUP_PROTOCOL" ||
      type.endsWith("_AUTHORIZATION_FAILED"),
  );
}

/** The member has to join its group anew; until then it must not handle anything. */
export function isEviction(thrown: unknown): boolean {
  return hasType(
    thrown,
    "REBALANCE_IN_PROGRESS",
    "ILLEGAL_GENERATION",
    "UNKNOWN_MEMBER_ID",
    "NOT_COORDINATOR_FOR_GROUP",
  );
}
