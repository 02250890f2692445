import { describe, expect, test } from "@jest/globals";
import { httpRefusal, matchesHost, redirectTarget } from "./url-policy.js";

describe("a host is on the list", () => {
  test.each([
    [["cdn.example"], "cdn.example"],
    [["other", "cdn.example"], "cdn.example"],
    [["cdn.example"], "cdn.example."],
    [["minio:9000"], "minio:9000"],
    [["*.cdn.example"], "a.cdn.example"],
    [["*.cdn.example"], "a.b.cdn.example"],
    [["*.cdn.example:81"], "a.cdn.example:81"],
    [["*"], "anything"],
    [["*:81"], "anything:81"],
    [["[::1]:81"], "[::1]:81"],
    [["[::1]"], "[::1]"],
  ])("%p: %s", (patterns, host) => {
    expect(matchesHost(patterns, host)).toBe(true);
  });

  test.each([
    [[], "cdn.example"],
    [["cdn.example"], "cdn.example:81"],
    [["cdn.example:81"], "cdn.example"],
    [["cdn.example"], "a.cdn.example"],
    [["cdn.example"], "xcdn.example"],
    [["cdn.example"], "cdn.example.evil"],
    [["*.cdn.example"], "cdn.example"],
    [["*.cdn.example"], "xcdn.example"],
    [["*.cdn.example"], "a.cdn.example.evil"],
    [["*"], "anything:81"],
    [["c*.example"], "cdn.example"],
    [["cdn.example"], "cdnxexample"],
  ])("%p: not %s", (patterns, host) => {
    expect(matchesHost(patterns, host)).toBe(false);
  });
});

test("an endless URL, a user or a password are refused, and the password is not repeated", () => {
  const refusal = (url: string) => httpRefusal(new URL(url), { httpHosts: ["cdn.example"] });
  expect(refusal("https://cdn.example/a.png")).toBeUndefined();
  expect(refusal(`https://cdn.example/${"a".repeat(9_000)}`)).toMatchObject({ failure: "refused" });
  for (const url of ["https://me@cdn.example", "https://:s3cret@cdn.example"]) {
    expect(refusal(url)).toMatchObject({ failure: "refused" });
    expect(JSON.stringify(refusal(url))).not.toContain("s3cret");
  }
});

test("a redirect may be relative and may gain protection, but never lose it", () => {
  const target = (from: string, location: string) => {
    const found = redirectTarget(new URL(from), location);
    return "failure" in found ? found.failure : found.href;
  };
  expect(target("https://a/b/c", "d")).toBe("https://a/b/d");
  expect(target("https://a/b", "//c/d")).toBe("https://c/d");
  expect(target("http://a/b", "https://a/b")).toBe("https://a/b");
  expect(target("https://a/b", "http://a/b")).toBe("refused");
  expect(target("https://a/b", "http://[")).toBe("refused");
});
