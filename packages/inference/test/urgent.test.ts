/** What somebody waits for goes before the bulk; what nobody waits for any more is not encoded. */
import { afterAll, afterEach, expect, test } from "@jest/globals";

import { openEncoder } from "../src/open-encoder.js";
import type { Encoder } from "../src/encoder.js";
import { textGraph, WORDS, writeTextEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";

const opened: Encoder[] = [];

async function openSlow(): Promise<Encoder> {
  const directory = await writeTextEncoder({ dims: 512 }, textGraph({ dims: 512, layers: 24 }));
  const encoder = await openEncoder({ directory, workers: 1, batchMax: 1 });
  opened.push(encoder);
  return encoder;
}

afterAll(removeFolders);

afterEach(async () => {
  await Promise.all(opened.splice(0).map((encoder) => encoder.close()));
});

const text = (at: number): string =>
  Array.from({ length: 40 }, (_, k) => WORDS[(at + 3 * k) % WORDS.length]).join(" ");
const bulk = (count: number): string[] => Array.from({ length: count }, (_, i) => text(i));

test("an urgent content is encoded before a queue of others that came first", async () => {
  const encoder = await openSlow();
  const order: string[] = [];
  const calls = [
    encoder.encode(bulk(40)).then(() => order.push("bulk at work")),
    encoder.encode(bulk(40)).then(() => order.push("bulk waiting")),
    encoder.encode([text(1)], { urgent: true }).then(() => order.push("urgent")),
  ];
  await Promise.all(calls);
  expect(order).toEqual(["urgent", "bulk at work", "bulk waiting"]);
});

test("an urgent content has the vector that it has in bulk", async () => {
  const encoder = await openSlow();
  const [[first], [second]] = await Promise.all([
    encoder.encode([text(5)]),
    encoder.encode([text(5)], { urgent: true }),
  ]);
  expect(first).toEqual(second);
});

test("what waits when its signal aborts is not encoded; the rest is", async () => {
  const encoder = await openSlow();
  const caller = new AbortController();
  const before = Array.from({ length: 3 }, () => encoder.encode(bulk(20)));
  const aborted = encoder.encode(bulk(20), { signal: caller.signal });
  const reason = new Error("gone");
  caller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  await Promise.all(before);
  expect(encoder.encodedTotal()).toBe(60);
  await expect(encoder.encode([text(1)], { signal: caller.signal })).rejects.toBe(reason);
});

test("more urgent contents than may wait are refused at once", async () => {
  const encoder = await openSlow();
  const calls = Array.from({ length: 100 }, (_, i) => encoder.encode([text(i)], { urgent: true }));
  const outcomes = await Promise.allSettled(calls);
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  // 4 are at the worker, 64 wait.
  expect(refused).toHaveLength(32);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: "overloaded" });
});
