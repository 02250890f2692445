import { once } from "node:events";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { Worker } from "node:worker_threads";

import { afterAll, afterEach, describe, expect, test } from "@jest/globals";

import { openEncoder } from "../src/open-encoder.js";
import type { Encoder, EncoderEvent, EncodeResult } from "../src/encoder.js";
import type { EncoderOptions } from "../src/open-encoder.js";
import { textGraph, WORDS, writeTextEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";

const opened: Encoder[] = [];

afterAll(removeFolders);

afterEach(async () => {
  await Promise.all(opened.splice(0).map((encoder) => encoder.close()));
});

async function open(options: EncoderOptions): Promise<Encoder> {
  const encoder = await openEncoder(options);
  opened.push(encoder);
  return encoder;
}

/** Words number `seed`, `seed + 3`, ...: `length` of them. */
function words(seed: number, length: number): string {
  return Array.from({ length }, (_, i) => WORDS[(seed + 3 * i) % WORDS.length]).join(" ");
}

function vector(result: EncodeResult | undefined): number[] {
  if (result === undefined || !("vector" in result)) throw new Error(JSON.stringify(result));
  return Array.from(result.vector);
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe("texts", () => {
  test("the same text has the same vector alone and among 64 others of all lengths", async () => {
    const events: EncoderEvent[] = [];
    const directory = await writeTextEncoder();
    const onEvent = (event: EncoderEvent) => events.push(event);
    const encoder = await open({ directory, workers: 1, onEvent });
    expect(events).toEqual([{ kind: "worker-ready", batchMax: 16 }]);

    const texts = Array.from({ length: 64 }, (_, i) => words(i, 1 + ((i * 7) % 40)));
    const batched = await encoder.encode(texts);
    for (const [i, text] of texts.entries()) {
      const [alone] = await encoder.encode([text]);
      expect(largestDifference(vector(alone), vector(batched[i]))).toBeLessThan(1e-4);
    }
  });

  test("a graph whose scale depends on the batch is run row by row, so vectors stay equal", async () => {
    const events: EncoderEvent[] = [];
    const encoder = await open({
      directory: await writeTextEncoder({}, textGraph({ quantised: true })),
      workers: 1,
      onEvent: (event) => events.push(event),
    });
    expect(events).toEqual([{ kind: "worker-ready", batchMax: 1 }]);

    const texts = Array.from({ length: 32 }, (_, i) => words(i, 1 + ((i * 5) % 20)));
    const batched = await encoder.encode(texts);
    for (const [i, text] of texts.entries()) {
      const [alone] = await encoder.encode([text]);
      expect(vector(batched[i])).toEqual(vector(alone));
    }
  });

  test("vectors have length 1, and different texts have different vectors", async () => {
    const encoder = await open({ directory: await writeTextEncoder(), workers: 1 });
    const [red, blue] = (await encoder.encode(["red shoe", "blue mat"])).map(vector);
    expect(Math.hypot(...red!)).toBeCloseTo(1, 5);
    expect(largestDifference(red!, blue!)).toBeGreaterThan(0.01);
  });

  test("results have the order of the contents under concurrent calls over several workers", async () => {
    const directory = await writeTextEncoder();
    const encoder = await open({ directory, workers: 2, batchMax: 4 });
    const texts = Array.from({ length: 40 }, (_, i) => words(i % 8, 1 + (i % 5)));
    const expected: number[][] = [];
    for (const text of texts) expected.push(vector((await encoder.encode([text]))[0]));

    const calls = Array.from({ length: 20 }, (_, call) =>
      encoder.encode(texts.map((_, i) => texts[(i * 7 + call) % 40]!)),
    );
    for (const [call, results] of (await Promise.all(calls)).entries()) {
      for (const [i, result] of results.entries()) {
        const alone = expected[(i * 7 + call) % 40]!;
        expect(largestDifference(vector(result), alone)).toBeLessThan(1e-4);
      }
    }
  });

  test("a text on which the graph throws costs only itself", async () => {
    const encoder = await open({ directory: await writeTextEncoder(), workers: 1 });
    const results = await encoder.encode(["red shoe", "poison", "blue mat", "warm bag"]);
    expect(results[1]).toMatchObject({
      failure: "encoder",
      detail: expect.stringMatching(/bounds/),
    });
    for (const i of [0, 2, 3]) expect(vector(results[i])).toHaveLength(16);
  });

  test("empty, huge, malformed and unknown texts all have a vector", async () => {
    const encoder = await open({ directory: await writeTextEncoder(), workers: 1 });
    const results = await encoder.encode([
      "",
      "red shoe ".repeat(8_000),
      "\ud800 red \udc00",
      "\0\u200d\ufeff",
      "👟".repeat(600),
      "x".repeat(65_536),
      " ".repeat(65_536),
    ]);
    for (const result of results) expect(Math.hypot(...vector(result))).toBeCloseTo(1, 5);
  });

  test("a text is cut to tokensMax and keeps its closing special token", async () => {
    const encoder = await open({ directory: await writeTextEncoder({ tokensMax: 6 }), workers: 1 });
    const [long, cut] = await encoder.encode(["red mat bag warm light steel", "red mat bag warm"]);
    expect(vector(long)).toEqual(vector(cut));
  });

  test("encodedTotal counts every content once, and those of a retried batch too", async () => {
    const encoder = await open({ directory: await writeTextEncoder(), workers: 2 });
    expect(encoder.encodedTotal()).toBe(0);
    await encoder.encode([]);
    await encoder.encode(["red"]);
    await encoder.encode(Array.from({ length: 99 }, (_, i) => words(i, 3)));
    expect(encoder.encodedTotal()).toBe(100);
    await encoder.encode(["red", "poison"]);
    expect(encoder.encodedTotal()).toBe(102);
  });

  test("bytes for a text encoder are refused with the place of the mistake", async () => {
    const encoder = await open({ directory: await writeTextEncoder(), workers: 1 });
    const call = encoder.encode(["red", new Uint8Array(3)]);
    await expect(call).rejects.toMatchObject({ code: "invalid", field: "contents[1]" });
  });

  test("more contents than may wait are refused, and what waits is still encoded", async () => {
    const directory = await writeTextEncoder();
    const encoder = await open({ directory, workers: 1, batchMax: 1, queueMax: 10 });
    const first = encoder.encode(Array.from({ length: 10 }, (_, i) => words(i, 2)));
    const second = encoder.encode(Array.from({ length: 10 }, (_, i) => words(i, 2)));
    await expect(second).rejects.toMatchObject({ code: "overloaded" });
    expect((await first).map(vector)).toHaveLength(10);
  });

  test("the event loop stays free while texts are encoded", async () => {
    const graph = textGraph({ dims: 512, layers: 24 });
    const directory = await writeTextEncoder({ dims: 512 }, graph);
    const encoder = await open({ directory, workers: 1 });
    const texts = Array.from({ length: 256 }, (_, i) => words(i, 40));
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const before = performance.eventLoopUtilization();
    await encoder.encode(texts);
    const { utilization, active, idle } = performance.eventLoopUtilization(before);
    delay.disable();
    // On this thread it would be busy for nearly all of the time. The delay has a wide bound,
    // since a loaded machine delays an idle loop as well.
    expect(active + idle).toBeGreaterThan(300);
    expect(utilization).toBeLessThan(0.3);
    expect(delay.percentile(99) / 1e6).toBeLessThan(250);
  });
});

describe("workers that die", () => {
  /** A task no worker survives: it throws where nothing catches. (Not `terminate()`, which
   * aborts the process when the thread is in ONNX Runtime.) */
  const deadly = { kind: "encode", contents: null };

  /** Starts real workers; tasks for which `kills` says so are replaced by a deadly one. */
  function killing(kills: (contents: readonly string[]) => boolean) {
    const started: Worker[] = [];
    const startWorker: EncoderOptions["startWorker"] = (file, options) => {
      const worker = new Worker(file, options);
      const send = worker.postMessage.bind(worker);
      worker.postMessage = (message) => {
        const { contents } = message as { contents?: readonly string[] };
        send(contents !== undefined && kills(contents) ? deadly : message);
      };
      started.push(worker);
      return worker;
    };
    return { started, startWorker };
  }

  test("a worker killed in a batch is replaced and its batch encoded", async () => {
    let kills = 1;
    const { started, startWorker } = killing(() => {
      kills -= 1;
      return kills >= 0;
    });
    const events: EncoderEvent[] = [];
    const encoder = await open({
      directory: await writeTextEncoder(),
      workers: 1,
      startWorker,
      onEvent: (event) => events.push(event),
    });
    const texts = Array.from({ length: 24 }, (_, i) => words(i, 3));
    const results = await encoder.encode(texts);
    expect(results.map(vector)).toHaveLength(24);
    expect(started).toHaveLength(2);
    expect(events).toContainEqual(expect.objectContaining({ kind: "worker-died", contents: 24 }));
    const again = await encoder.encode(texts);
    expect(largestDifference(vector(again[5]), vector(results[5]))).toBeLessThan(1e-4);
  });

  test("a content that kills every worker costs only itself", async () => {
    const { started, startWorker } = killing((contents) => contents.includes("steel"));
    const encoder = await open({ directory: await writeTextEncoder(), workers: 2, startWorker });
    const results = await encoder.encode(["red", "blue", "steel", "bag", "mat"]);
    expect(results[2]).toMatchObject({
      failure: "encoder",
      detail: expect.stringMatching(/twice/),
    });
    for (const i of [0, 1, 3, 4]) expect(vector(results[i])).toHaveLength(16);
    expect(started.length).toBeLessThanOrEqual(4);
  });

  test("a worker that dies idle is replaced at the next call", async () => {
    const { started, startWorker } = killing(() => false);
    const encoder = await open({ directory: await writeTextEncoder(), workers: 1, startWorker });
    const ended = once(started[0]!, "exit");
    await started[0]!.terminate();
    await ended;
    expect((await encoder.encode(["red"])).map(vector)).toHaveLength(1);
    expect(started).toHaveLength(2);
  });

  test("when no worker starts any more, contents fail and nothing hangs", async () => {
    let broken = false;
    const encoder = await open({
      directory: await writeTextEncoder(),
      workers: 1,
      startWorker: (file, options) => {
        const worker = new Worker(file, broken ? { ...options, workerData: {} } : options);
        const send = worker.postMessage.bind(worker);
        worker.postMessage = (message) => {
          broken = (message as { kind: string }).kind === "encode";
          send(broken ? deadly : message);
        };
        return worker;
      },
    });
    const results = await encoder.encode(["red", "blue"]);
    for (const result of results) {
      expect(result).toMatchObject({ failure: "encoder", detail: expect.stringMatching(/starts/) });
    }
  });
});

describe("closing", () => {
  test("closing during an encode settles every promise, and later calls are unavailable", async () => {
    const directory = await writeTextEncoder();
    const encoder = await open({ directory, workers: 2, batchMax: 2 });
    const calls = Array.from({ length: 30 }, (_, i) =>
      encoder.encode(Array.from({ length: 20 }, (_, k) => words(i + k, 10))),
    );
    const closing = encoder.close();
    const outcomes = await Promise.allSettled(calls);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
    }
    await closing;
    await encoder.close();
    await expect(encoder.encode(["red"])).rejects.toMatchObject({ code: "unavailable" });
  });

  test("closing ends the worker threads", async () => {
    const started: Worker[] = [];
    const encoder = await open({
      directory: await writeTextEncoder(),
      workers: 2,
      startWorker: (file, options) => {
        const worker = new Worker(file, options);
        started.push(worker);
        return worker;
      },
    });
    await encoder.close();
    expect(started.map((worker) => worker.threadId)).toEqual([-1, -1]);
  });
});
