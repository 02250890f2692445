import { describe, expect, test } from "@jest/globals";
import { openProfileStore } from "./open.js";

const OPTIONS = {
  bundleId: "b",
  ttlSeconds: 60,
  popularityHalfLifeMs: 1_000,
  popularityProductsMax: 10,
};

describe("openProfileStore", () => {
  test("each memory: is a store of its own", async () => {
    const [one, other] = [
      openProfileStore("memory:", OPTIONS),
      openProfileStore("memory:", OPTIONS),
    ];
    const source = { partition: 0, offset: 0n };
    const change = () => ({ history: [], interests: [] });
    await one.update([{ userId: "u", source, change }]);
    expect(await one.read(["u"])).toEqual([{ history: [], interests: [] }]);
    expect(await other.read(["u"])).toEqual([undefined]);
  });

  test("a closed store answers nothing more", async () => {
    const store = openProfileStore("memory:", OPTIONS);
    await store.close();
    await store.close();
    await expect(store.ping()).rejects.toMatchObject({ code: "unavailable" });
    await expect(store.read(["u"])).rejects.toMatchObject({ code: "unavailable" });
  });

  test.each(["", "memory", "http://localhost", "redis:", "redis://", "redis://[", "valkey://h"])(
    "the URL %p is refused, naming what was expected",
    (url) => {
      const open = () => openProfileStore(url, OPTIONS);
      expect(open).toThrow(expect.objectContaining({ code: "invalid", field: "url" }));
      expect(open).toThrow(/memory:.*redis:\/\/host:port/);
    },
  );

  test.each([
    ["bundleId", ""],
    ["ttlSeconds", 0],
    ["popularityHalfLifeMs", -1],
    ["popularityProductsMax", 1.5],
  ])("an option %s of %p is refused", (field, value) => {
    for (const url of ["memory:", "redis://127.0.0.1:1"]) {
      const open = () => openProfileStore(url, { ...OPTIONS, [field]: value });
      expect(open).toThrow(expect.objectContaining({ code: "invalid", field }));
    }
  });
});
