/** A bundle's sequence model in its thread, on a small real graph. */
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Bundle } from "@marquetry/model/bundle";
import { pool } from "@marquetry/model/interests";
import { multiInterestAround } from "@marquetry/model/interests/multi-interest";
import type { PooledInteraction } from "@marquetry/model/interests";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { openInterests } from "../src/interests.js";
import { openSequenceModel } from "../src/sequence/sequence-model.js";
import type { SequenceModelOptions } from "../src/sequence/sequence-model.js";
import { recencyGraph } from "@marquetry/testing/sequence-graph";

const size = { historyMax: 4, dims: 3, decay: 0.5 };
const graph = recencyGraph(size);
const uniform = mulberry32(8);
const vectors = (count: number) => Array.from({ length: count }, () => randomVector(uniform, 3));

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function open(changes: Partial<SequenceModelOptions> = {}) {
  const model = await openSequenceModel({ graph, ...size, ...changes });
  closers.push(() => model.close());
  return model;
}

/** The definition. */
function recent(history: readonly Float32Array[]): number[] {
  const newest = history.slice(-size.historyMax).toReversed();
  const sum = [0, 1, 2].map((j) =>
    newest.reduce((total, vector, age) => total + size.decay ** age * vector[j]!, 0),
  );
  return sum.map((x) => x / Math.hypot(...sum));
}

function expectClose(got: ArrayLike<number>, expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length);
  expected.forEach((x, j) => expect(got[j]).toBeCloseTo(x, 5));
}

describe("a sequence model", () => {
  test("answers calls of many sizes in their order, short and long histories alike", async () => {
    const model = await open({ rowsMax: 5 });
    const calls = [1, 7, 0, 12, 2].map((users) =>
      Array.from({ length: users }, (_, i) => vectors(1 + (i % 6))),
    );
    const answers = await Promise.all(calls.map((histories) => model.run(histories)));
    for (const [call, histories] of calls.entries()) {
      expect(answers[call]).toHaveLength(histories.length);
      for (const [i, history] of histories.entries()) {
        expectClose(answers[call]![i]!, recent(history));
      }
    }
  });

  test("the event loop turns while it runs", async () => {
    const model = await open();
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 0);
    const many = Array.from({ length: 4_000 }, () => vectors(4));
    await model.run(many).finally(() => clearInterval(counting));
    expect(turns).toBeGreaterThan(3);
  });

  test("more than the queue holds is refused whole, and what waited is answered", async () => {
    const model = await open({ queueMax: 3, rowsMax: 1 });
    const accepted = model.run([vectors(1), vectors(2), vectors(3)]);
    await expect(model.run([vectors(1)])).rejects.toMatchObject({ code: "overloaded" });
    expect(await accepted).toHaveLength(3);
  });

  test("an empty history and a vector of another length are refused", async () => {
    const model = await open();
    await expect(model.run([[]])).rejects.toThrow("history 0: expected at least one vector");
    await expect(model.run([[new Float32Array(2)]])).rejects.toMatchObject({ code: "invalid" });
  });

  test("closing rejects what waits, and every later call", async () => {
    const model = await open();
    const waiting = model.run([vectors(1)]);
    const rejected = expect(waiting).rejects.toMatchObject({ code: "unavailable" });
    await model.close();
    await rejected;
    await expect(model.run([vectors(1)])).rejects.toThrow("the sequence model is closed");
  });

  test("a thread that dies costs its run alone: the next call has another", async () => {
    const started: Worker[] = [];
    const dies = `require("node:worker_threads").parentPort.once("message", () => process.exit(1))`;
    const model = await open({
      startWorker: (file, options) => {
        const worker =
          started.length === 1 ? new Worker(dies, { eval: true }) : new Worker(file, options);
        started.push(worker);
        return worker;
      },
    });
    // Idle: a thread in ONNX Runtime must not be terminated.
    await started[0]!.terminate();
    await expect(model.run([vectors(2)])).rejects.toMatchObject({ code: "unavailable" });
    const history = vectors(3);
    expectClose((await model.run([history]))[0]!, recent(history));
    expect(started).toHaveLength(3);
  });

  test.each([
    ["no graph", { graph: Uint8Array.of(1, 2, 3) }, "corrupt"],
    ["a graph of other dimensions", { dims: 5 }, "invalid"],
    ["a graph of other lengths", { historyMax: 9 }, "invalid"],
  ])("%s is refused at start", async (_, changes, code) => {
    await expect(open(changes)).rejects.toMatchObject({ code });
  });
});

describe("interests of a bundle", () => {
  async function bundleWith(change: Partial<Bundle> = {}): Promise<Bundle> {
    const plain = await zeroShotBundle({ text: { encoder: "words", dims: 3 } }, { dims: 3 });
    const { actions, negativeShare } = plain.interests;
    const { historyMax, decay } = size;
    const interests = {
      strategy: "sequence",
      graph,
      historyMax,
      rankDecay: decay,
      actions,
      negativeShare,
      normaliseOutput: true,
    } as const;
    return { ...plain, interests, ...change };
  }
  const did = (action: string, occurredAtMs: number): PooledInteraction => ({
    action,
    occurredAtMs,
    vector: randomVector(uniform, 3),
  });

  test("only positive interactions enter the sequence; users without any have no interest", async () => {
    const opened = await openInterests(await bundleWith());
    closers.push(() => opened.close());
    const users = [
      [did("view", 2), did("view", 1)],
      [did("dismiss", 1)],
      [],
      [did("view", 1), did("dismiss", 2)],
    ];
    const interests = await opened.of(users);
    const [first, second, third, fourth] = interests.map(([interest]) => interest);
    expectClose(first!, recent([users[0]![1]!.vector, users[0]![0]!.vector]));
    expect([second, third]).toEqual([undefined, undefined]);
    const liked = users[3]![0]!.vector;
    const disliked = users[3]![1]!.vector;
    const cosine = (a: ArrayLike<number>, b: Float32Array): number =>
      b.reduce((sum, x, j) => sum + x * a[j]!, 0) / Math.hypot(...b);
    expect(cosine(fourth!, disliked)).toBeLessThan(cosine(recent([liked]), disliked) - 0.01);
  });

  test("of other strategies they are those of pool()", async () => {
    const bundle = await zeroShotBundle({ text: { encoder: "words", dims: 3 } }, { dims: 3 });
    const opened = await openInterests(bundle);
    const interactions = [did("view", 1), did("purchase", 2)];
    expect(await opened.of([interactions, []])).toEqual([
      [pool(bundle.interests, interactions)],
      [],
    ]);
  });

  test("with multi-interest they lie around what the sequence model gives", async () => {
    const plain = await bundleWith();
    const multiInterest = { max: 2, cosine: 0.99, share: 0.5, rounds: 3 };
    const split = { ...plain, interests: { ...plain.interests, multiInterest } };
    const history = [
      { ...did("view", 1), vector: Float32Array.of(1, 0, 0) },
      { ...did("view", 2), vector: Float32Array.of(0, 1, 0) },
    ];
    const [one, two] = [await openInterests(plain), await openInterests(split)];
    closers.push(
      () => one.close(),
      () => two.close(),
    );
    const [[pooled]] = (await one.of([history])) as [Float32Array[]];
    expect(await two.of([history, []])).toEqual([
      multiInterestAround(split.interests, pooled!, history),
      [],
    ]);
    expect((await two.of([history]))[0]).toHaveLength(2);
  });

  test("a graph that does not give the trainer's golden interests is refused at start", async () => {
    const interactions = [did("view", 1), did("view", 2)];
    const interest = Float32Array.from(recent(interactions.map(({ vector }) => vector)));
    const golden = (changed: Float32Array) => ({
      products: [],
      histories: [{ name: "two views", interactions, interest: changed }],
    });
    const right = await openInterests(await bundleWith({ golden: golden(interest) }));
    await right.close();
    const wrong = await bundleWith({ golden: golden(interest.map((x) => x + 1e-3)) });
    await expect(openInterests(wrong)).rejects.toThrow('golden history "two views"');
  });
});
