/** Reading and checking messages: the rules themselves stand in the .proto files. */
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import type { Violation } from "@bufbuild/protovalidate";

export interface Problem {
  /** Path of the field in proto names, such as `upserted.price`; empty for the whole message. */
  readonly field: string;
  readonly message: string;
}

export type Decoded<T> = { readonly message: T } | { readonly problem: Problem };

const validator = createValidator();
const JSON_CONTENT_TYPES = new Set(["application/json", "application/protobuf+json", "text/json"]);
const OPENING_BRACE = 0x7b;
/** The protobuf runtime repeats what it could not read, which may be as long as the record. */
const DETAIL_CHARACTERS_MAX = 500;

/** Checks a message against the rules of its .proto; the first broken rule is the answer. */
export function findProblem<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Problem | undefined {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return undefined;
  if (result.kind === "error") return { field: "", message: result.error.message };
  const [first] = result.violations;
  return first === undefined ? { field: "", message: "is invalid" } : toProblem(first);
}

/**
 * Decodes and checks one record: binary protobuf, or the JSON mapping where the `content-type`
 * header says JSON or, without that header, the first byte is `{`. (No valid event of ours starts
 * with that byte in binary: it would be a start-group tag of field 15.)
 */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  value: Uint8Array,
  contentType?: string,
): Decoded<MessageShape<Desc>> {
  let message: MessageShape<Desc>;
  const json = isJson(value, contentType);
  try {
    message = json
      ? fromJsonString(schema, new TextDecoder("utf-8", { fatal: true }).decode(value))
      : fromBinary(schema, value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const detail = reason.slice(0, DETAIL_CHARACTERS_MAX);
    const form = json ? "its JSON mapping" : "binary protobuf";
    return { problem: { field: "", message: `expected ${schema.typeName} in ${form}: ${detail}` } };
  }
  const problem = findProblem(schema, message);
  return problem === undefined ? { message } : { problem };
}

/** What `decodeBatch` needs of a record of the bus. */
interface EncodedRecord {
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Decodes records one by one; those that are not what they should be come back with the cause. */
export function decodeBatch<Desc extends DescMessage, Source extends EncodedRecord>(
  schema: Desc,
  records: readonly Source[],
): {
  readonly accepted: { readonly record: Source; readonly message: MessageShape<Desc> }[];
  readonly rejected: { readonly record: Source; readonly cause: string }[];
} {
  const accepted: { readonly record: Source; readonly message: MessageShape<Desc> }[] = [];
  const rejected: { readonly record: Source; readonly cause: string }[] = [];
  for (const record of records) {
    const decoded = decode(schema, record.value, record.headers["content-type"]);
    if ("message" in decoded) accepted.push({ record, message: decoded.message });
    else rejected.push({ record, cause: describeProblem(decoded.problem) });
  }
  return { accepted, rejected };
}

/** One line: the field and what was expected. */
export function describeProblem(problem: Problem): string {
  return problem.field === "" ? problem.message : `${problem.field}: ${problem.message}`;
}

function isJson(value: Uint8Array, contentType: string | undefined): boolean {
  if (contentType === undefined) return value[0] === OPENING_BRACE;
  const bare = contentType.split(";")[0]?.trim().toLowerCase() ?? "";
  return JSON_CONTENT_TYPES.has(bare);
}

function toProblem(violation: Violation): Problem {
  const field = violation.field.map(pathElement).join("").replace(/^\./, "");
  return { field, message: violation.message };
}

function pathElement(part: Violation["field"][number]): string {
  if (part.kind === "field" || part.kind === "oneof") return `.${part.name}`;
  if (part.kind === "list_sub") return `[${part.index}]`;
  if (part.kind === "map_sub") return `[${JSON.stringify(String(part.key))}]`;
  return `[${part.typeName}]`;
}
