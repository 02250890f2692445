import { expect, test } from "@jest/globals";
import { createValidators } from "./validators.js";

const said = (etag: string) => ({ etag, lastModified: undefined, digest: `sha256:${etag}` });

test("the validator of a medium is stored by its URL", () => {
  const validators = createValidators();
  validators.set("a", said('"1"'));
  expect(validators.get("a")).toEqual(said('"1"'));
  expect(validators.get("b")).toBeUndefined();
});

test("a medium of which nothing is said any more has nothing to compare with", () => {
  const validators = createValidators();
  for (const etag of [undefined, "x".repeat(1_000)]) {
    validators.set("a", said('"1"'));
    validators.set("a", { etag, lastModified: undefined, digest: "sha256:2" });
    expect(validators.get("a")).toBeUndefined();
  }
});

test("their characters are bounded, and what was used longest ago leaves", () => {
  const validators = createValidators(10_000);
  validators.set("first", said('"1"'));
  for (let i = 0; i < 1_000; i += 1) {
    validators.set(`https://cdn.example/${i}`, said('"1"'));
    validators.get("first");
  }
  const stored = Array.from({ length: 1_000 }, (_, i) =>
    validators.get(`https://cdn.example/${i}`),
  );
  const characters = 22 + 3 + 10;
  const count = stored.filter((validator) => validator !== undefined).length;
  expect(count).toBeGreaterThan(100);
  expect(count * characters).toBeLessThanOrEqual(10_000);
  expect(validators.get("first")).toBeDefined();
});
