import { expect, test } from "@jest/globals";
import { createLogger } from "@marquetry/runtime/logger";
import { createMetrics } from "@marquetry/runtime/telemetry";
import { createBackPressure } from "./back-pressure.js";
import { createEncoderEvents } from "./events.js";

function setUp() {
  const events = createEncoderEvents({
    logger: createLogger("encoder", "silent"),
    metrics: createMetrics("encoder"),
  });
  const backPressure = createBackPressure(events);
  const calls: string[] = [];
  const consumer = (name: string) => ({
    pause: () => void calls.push(`pause ${name}`),
    resume: () => void calls.push(`resume ${name}`),
  });
  return { backPressure, calls, consumer };
}

test("all consumers pause once too much waits, and resume once nothing does", () => {
  const { backPressure, calls, consumer } = setUp();
  for (const name of ["a", "b"]) backPressure.govern(consumer(name));
  for (const waiting of [1, 2, 3, 4]) backPressure.report("image", waiting);
  expect(calls).toEqual([]);
  for (const waiting of [5, 6, 5, 1]) backPressure.report("image", waiting);
  expect(calls).toEqual(["pause a", "pause b"]);
  backPressure.report("image", 0);
  expect(calls.slice(2)).toEqual(["resume a", "resume b"]);
});

test("no modality resumes them while another one's encoder is behind", () => {
  const { backPressure, calls, consumer } = setUp();
  backPressure.govern(consumer("a"));
  backPressure.report("video", 9);
  backPressure.report("text", 1);
  backPressure.report("text", 0);
  expect(calls).toEqual(["pause a"]);
  backPressure.report("video", 0);
  expect(calls).toEqual(["pause a", "resume a"]);
});

test("a consumer that comes while the others are paused is paused too", () => {
  const { backPressure, calls, consumer } = setUp();
  backPressure.report("image", 9);
  backPressure.govern(consumer("late"));
  expect(calls).toEqual(["pause late"]);
});
