/** Metrics of one service, in a registry of its own so that several services share a process. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

export interface Metrics {
  /** The name ends in `_total`. */
  counter<Label extends string = never>(
    name: string,
    help: string,
    labels?: readonly Label[],
  ): { inc(labels: Record<Label, string>, by?: number): void };
  /** The unit ends the name; `collect` runs at every scrape; the value is NaN where it fails. */
  gauge(name: string, help: string, collect: () => number | Promise<number>): void;
  histogram<Label extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly Label[],
  ): { observe(labels: Record<Label, string>, value: number): void };
  /** The Prometheus text format. */
  expose(): Promise<{ contentType: string; body: string }>;
}

/** Names become `marquetry_<service>_<name>`. */
export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  const prefix = `marquetry_${service.replaceAll("-", "_")}_`;
  collectDefaultMetrics({ register: registry, prefix });
  const registers = [registry];
  return {
    counter(name, help, labels = []) {
      const counter = new Counter({
        name: prefix + name,
        help,
        labelNames: [...labels],
        registers,
      });
      return { inc: (values, by = 1) => counter.inc(values, by) };
    },
    gauge(name, help, collect) {
      const gauge: Gauge = new Gauge({
        name: prefix + name,
        help,
        registers,
        async collect() {
          try {
            gauge.set(await collect());
          } catch {
            // One part that is unavailable must not cost the operator every other metric.
            gauge.set(Number.NaN);
          }
        },
      });
    },
    histogram(name, help, buckets, labels = []) {
      const histogram = new Histogram({
        name: prefix + name,
        help,
        buckets: [...buckets],
        labelNames: [...labels],
        registers,
      });
      return { observe: (values, value) => histogram.observe(values, value) };
    },
    async expose() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}
