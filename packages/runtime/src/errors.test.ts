import { expect, test } from "@jest/globals";
import { describeError, MarquetryError, toMarquetryError } from "./errors.js";

test("the message for callers and the cause for logs stay apart", () => {
  const cause = new Error("connect ECONNREFUSED 10.0.0.7:6379");
  const error = new MarquetryError("unavailable", "profiles are out of reach", { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "MarquetryError", code: "unavailable", field: undefined });
  expect(error.message).toBe("profiles are out of reach");
  expect(error.cause).toBe(cause);
  expect(describeError(error)).toBe(
    "profiles are out of reach: connect ECONNREFUSED 10.0.0.7:6379",
  );
});

test("the offending field is kept, and without a cause there is none", () => {
  const error = new MarquetryError("invalid", "must not be negative", { field: "upserted.price" });
  expect(error.field).toBe("upserted.price");
  expect("cause" in error).toBe(false);
});

test("what a caller may see of a foreign error is that it was internal", () => {
  const own = new MarquetryError("not-found", "no such product");
  expect(toMarquetryError(own)).toBe(own);
  for (const thrown of [new Error("password is hunter2"), "text", undefined, null, { code: 7 }]) {
    const error = toMarquetryError(thrown);
    expect(error).toMatchObject({ code: "internal", message: "an internal error happened" });
    expect(error.cause).toBe(thrown);
  }
});

test("anything thrown can be described, and a ring of causes ends", () => {
  expect(describeError("text")).toBe("'text'");
  expect(describeError({ code: 7 })).toBe("{ code: 7 }");
  expect(describeError(new Error("a", { cause: "b" }))).toBe("a: 'b'");
  const ring = new Error("round");
  ring.cause = ring;
  expect(describeError(ring)).toBe("round: round: round: round: round");
});

test("an error without a message is described by its code, or else its name", () => {
  const refused = Object.assign(new AggregateError([]), { code: "ECONNREFUSED" });
  expect(describeError(new Error("fetch failed", { cause: refused }))).toBe(
    "fetch failed: ECONNREFUSED",
  );
  expect(describeError(new RangeError())).toBe("RangeError");
});

test("an object is described in one line, however large", () => {
  const thrown = { rows: Array.from({ length: 40 }, (_, i) => ({ i, text: "x".repeat(40) })) };
  expect(describeError(thrown)).not.toContain("\n");
});
