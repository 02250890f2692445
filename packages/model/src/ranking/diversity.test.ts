import { describe, expect, test } from "@jest/globals";
import { bestOfGroup, mmr } from "./diversity.js";

describe("best of group", () => {
  test("keeps the first of each group in order; an empty group stands for itself", () => {
    const items = ["a1", "b1", "a2", "-x", "b2", "-y"];
    const distinct = bestOfGroup(items, (item) => (item[0] === "-" ? "" : item[0]!));
    expect(distinct).toEqual(["a1", "b1", "-x", "-y"]);
  });
});

describe("maximal marginal relevance", () => {
  const items = [
    { id: "shirt", score: 0.9, kind: "top" },
    { id: "blouse", score: 0.8, kind: "top" },
    { id: "boots", score: 0.6, kind: "shoe" },
    { id: "hat", score: 0.1, kind: "hat" },
  ];
  const alike = (a: { kind: string }, b: { kind: string }): number => (a.kind === b.kind ? 1 : 0);
  const order = (lambda: number, limit = 4): string[] =>
    mmr(items, alike, lambda, limit).map((item) => item.id);

  test("gives the order computed by hand", () => {
    // After the shirt: blouse .4 - .5, boots .3, hat .05.
    expect(order(0.5)).toEqual(["shirt", "boots", "hat", "blouse"]);
    expect(order(1)).toEqual(["shirt", "blouse", "boots", "hat"]);
    expect(order(0)).toEqual(["shirt", "boots", "hat", "blouse"]);
  });

  test("takes at most the limit, and equals keep their order", () => {
    expect(order(0.5, 2)).toEqual(["shirt", "boots"]);
    expect(order(0.5, 0)).toEqual([]);
    expect(mmr([], alike, 0.5, 3)).toEqual([]);
    const equals = [1, 2, 3].map((id) => ({ id, score: 0.5, kind: String(id) }));
    expect(mmr(equals, alike, 0.5, 3).map((item) => item.id)).toEqual([1, 2, 3]);
  });

  test("a lambda or limit out of range is refused", () => {
    expect(() => order(1.1)).toThrow("lambda");
    expect(() => order(Number.NaN)).toThrow("lambda");
    expect(() => order(0.5, -1)).toThrow("limit");
  });
});
