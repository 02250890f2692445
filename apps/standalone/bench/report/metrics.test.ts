import { expect, test } from "@jest/globals";
import { meetsGoal } from "./metrics.js";

test("a goal is checked as it reads, on its bound too", () => {
  for (const [value, goal, expected] of [
    [0.9, ">= 0.9", true],
    [0.89, ">= 0.9", false],
    [20, "< 20", false],
    [19.9, "< 20", true],
    [-1, "<= -0.5", true],
    [2, "> 1", true],
  ] as const)
    expect(meetsGoal({ value, goal })).toBe(expected);
});

test("a metric without a goal neither holds nor misses one, and a goal that reads otherwise is a mistake", () => {
  expect(meetsGoal({ value: 1 })).toBeNull();
  expect(() => meetsGoal({ value: 1, goal: "about 3" })).toThrow(/about 3/);
});
