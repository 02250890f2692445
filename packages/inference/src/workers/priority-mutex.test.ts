import { expect, test } from "@jest/globals";
import { createPriorityMutex } from "./priority-mutex.js";

/** Work that ends on demand. */
function work(name: string, log: string[]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    end: resolve,
    run: async () => {
      log.push(name);
      await promise;
      return name;
    },
  };
}

test("one piece of work runs at a time, the urgent first and the others in order", async () => {
  const mutex = createPriorityMutex();
  const log: string[] = [];
  const pieces = ["first", "second", "third", "urgent"].map((name) => work(name, log));
  const [first, second, third, urgent] = pieces;
  const all = [
    mutex.run(false, first!.run),
    mutex.run(false, second!.run),
    mutex.run(false, third!.run),
    mutex.run(true, urgent!.run),
  ];
  expect(log).toEqual(["first"]);
  for (const piece of pieces) piece.end();
  expect(await Promise.all(all)).toEqual(["first", "second", "third", "urgent"]);
  expect(log).toEqual(["first", "urgent", "second", "third"]);
});

test("work that fails lets the next one run", async () => {
  const mutex = createPriorityMutex();
  const failing = mutex.run(false, () => Promise.reject(new Error("broken")));
  const next = mutex.run(false, async () => "fine");
  await expect(failing).rejects.toThrow("broken");
  expect(await next).toBe("fine");
});

test("closing waits for the running piece, and what waits is never begun", async () => {
  const mutex = createPriorityMutex();
  const log: string[] = [];
  const [running, waiting] = [work("running", log), work("waiting", log)];
  const result = mutex.run(false, running.run);
  void mutex.run(true, waiting.run);
  let closed = false;
  const closing = mutex.close().then(() => {
    closed = true;
  });
  expect(closed).toBe(false);
  running.end();
  await closing;
  expect(await result).toBe("running");
  await new Promise((resolve) => setImmediate(resolve));
  expect(log).toEqual(["running"]);
});
