import { expect, test } from "@jest/globals";
import { createBatchingProducer } from "./batching-producer.js";

interface Send {
  readonly messages: readonly string[];
  readonly done: PromiseWithResolvers<void>;
}

function newProducer(limits: { sendBytesMax?: number; waitingMax?: number } = {}) {
  const sends: Send[] = [];
  const producer = createBatchingProducer<string>({
    send: (messages) => {
      const done = Promise.withResolvers<void>();
      sends.push({ messages, done });
      return done.promise;
    },
    sendBytesMax: 10,
    waitingMax: 100,
    ...limits,
  });
  const push = (...messages: string[]) =>
    producer.push(
      messages,
      messages.map(({ length }) => length),
    );
  return { producer, push, sends };
}

/** Lets everything that is ready to run do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("what arrives while a send is under way goes out in the next one, in order", async () => {
  const { push, sends } = newProducer();
  const first = push("a");
  const others = Promise.all([push("b"), push("c", "d")]);
  expect(sends.map(({ messages }) => messages)).toEqual([["a"]]);
  sends[0]?.done.resolve();
  await first;
  await settled();
  expect(sends.map(({ messages }) => messages)).toEqual([["a"], ["b", "c", "d"]]);
  sends[1]?.done.resolve();
  await others;
});

test("a send holds no more bytes than the bound, unless one message alone does", async () => {
  const { push, sends } = newProducer({ sendBytesMax: 4 });
  const pushed = push("aa", "bb", "c", "too long", "d");
  for (let index = 0; index < 4; index += 1) {
    await settled();
    sends[index]?.done.resolve();
  }
  await pushed;
  expect(sends.map(({ messages }) => messages)).toEqual([["aa", "bb"], ["c"], ["too long"], ["d"]]);
});

test("a failed send fails each push with messages in it, drops their rest, and the producer goes on", async () => {
  const { push, sends } = newProducer({ sendBytesMax: 3 });
  const outcomes = Promise.allSettled([push("a"), push("b", "c", "d"), push("e")]);
  sends[0]?.done.resolve(); // holds a alone, since it left at once
  await settled();
  expect(sends[1]?.messages).toEqual(["b", "c", "d"]);
  sends[1]?.done.reject(new Error("away"));
  await settled();
  expect(sends[2]?.messages).toEqual(["e"]);
  sends[2]?.done.resolve();
  expect((await outcomes).map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
});

test("the rest of a push whose beginning failed is never sent", async () => {
  const { producer, push, sends } = newProducer({ sendBytesMax: 2 });
  const outcomes = Promise.allSettled([push("a", "b", "never"), push("z")]);
  sends[0]?.done.reject(new Error("away"));
  await settled();
  expect(sends[1]?.messages).toEqual(["z"]);
  sends[1]?.done.resolve();
  expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  await producer.idle();
});

test("past the bound of what waits a push is refused as overloaded, and later ones pass again", async () => {
  const { push, sends } = newProducer({ waitingMax: 2 });
  const first = push("a");
  const waiting = push("b", "c");
  await expect(push("d")).rejects.toMatchObject({ code: "overloaded" });
  sends[0]?.done.resolve();
  await first;
  await settled();
  sends[1]?.done.resolve();
  await waiting;
  const later = push("e");
  sends[2]?.done.resolve();
  await later;
});
