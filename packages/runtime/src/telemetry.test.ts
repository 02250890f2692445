import { expect, test } from "@jest/globals";
import { createMetrics } from "./telemetry.js";

async function lines(metrics: ReturnType<typeof createMetrics>): Promise<string[]> {
  const { contentType, body } = await metrics.expose();
  expect(contentType).toMatch(/^text\/plain/);
  return body.split("\n");
}

test("metrics carry the service's name, their help and their labels", async () => {
  const metrics = createMetrics("ranking-gateway");
  metrics.counter("requests_total", "Requests", ["outcome"]).inc({ outcome: "ok" }, 3);
  const seconds = metrics.histogram("answer_seconds", "Time to answer", [0.1, 1], ["method"]);
  seconds.observe({ method: "recommend" }, 0.05);
  seconds.observe({ method: "recommend" }, 0.5);
  expect(await lines(metrics)).toEqual(
    expect.arrayContaining([
      "# HELP marquetry_ranking_gateway_requests_total Requests",
      "# TYPE marquetry_ranking_gateway_requests_total counter",
      'marquetry_ranking_gateway_requests_total{outcome="ok"} 3',
      'marquetry_ranking_gateway_answer_seconds_bucket{le="0.1",method="recommend"} 1',
      'marquetry_ranking_gateway_answer_seconds_bucket{le="1",method="recommend"} 2',
      'marquetry_ranking_gateway_answer_seconds_count{method="recommend"} 2',
      expect.stringMatching(/^marquetry_ranking_gateway_process_resident_memory_bytes \d+$/),
    ]),
  );
});

test("a counter without labels shows 0 before its first event", async () => {
  const metrics = createMetrics("a");
  metrics.counter("things_total", "Things");
  expect(await lines(metrics)).toContain("marquetry_a_things_total 0");
});

test("a gauge is collected at every scrape, and one that fails costs no other metric", async () => {
  const metrics = createMetrics("a");
  let lag = 4;
  metrics.gauge("lag_records", "Lag", async () => lag);
  metrics.gauge("broken_records", "Broken", async () => {
    throw new Error("the bus is away");
  });
  metrics.gauge("thrown_records", "Thrown", () => {
    throw new Error("at once");
  });
  expect(await lines(metrics)).toEqual(
    expect.arrayContaining([
      "marquetry_a_lag_records 4",
      "marquetry_a_broken_records Nan",
      "marquetry_a_thrown_records Nan",
    ]),
  );
  lag = 5;
  expect(await lines(metrics)).toContain("marquetry_a_lag_records 5");
});

test("two services in one process keep their metrics apart", async () => {
  const [one, two] = [createMetrics("one"), createMetrics("two")];
  one.counter("events_total", "Events").inc({});
  two.counter("events_total", "Events").inc({}, 7);
  const text = (await lines(one)).join("\n");
  expect(text).toContain("marquetry_one_events_total 1");
  expect(text).not.toContain("marquetry_two");
});
