import { createRequire } from "node:module";
import { expect, test } from "@jest/globals";

// The part of kafkajs that patches/kafkajs@2.2.4.patch changes; see pnpm-workspace.yaml.
interface RequestQueue {
  throttleCheckTimeoutId: unknown;
  maybeThrottle(ms: number): void;
  checkPendingRequests(): void;
  push(request: object): void;
  destroy(): void;
}

const Queue = createRequire(import.meta.url)("kafkajs/src/network/requestQueue/index.js") as new (
  options: object,
) => RequestQueue;

function newQueue(): RequestQueue {
  const logger = { debug: () => undefined, warn: () => undefined };
  return new Queue({
    maxInFlightRequests: 1,
    requestTimeout: 1_000,
    clientId: "c",
    broker: "b",
    logger,
  });
}

test("an idle request queue of kafkajs arms no timer", () => {
  const queue = newQueue();
  queue.checkPendingRequests();
  expect(queue.throttleCheckTimeoutId).toBeNull();
});

test("a throttled request of kafkajs is sent when the throttling ends", async () => {
  const queue = newQueue();
  queue.maybeThrottle(20);
  const sent = new Promise<void>((resolve) => {
    const entry = { correlationId: 1, resolve: () => undefined, reject: () => undefined };
    queue.push({ entry, expectResponse: true, sendRequest: resolve });
  });
  expect(queue.throttleCheckTimeoutId).not.toBeNull();
  await sent;
  queue.destroy();
});
