/** Whether this process keeps up with its own work. */
import { monitorEventLoopDelay } from "node:perf_hooks";

export interface EventLoop {
  /** How late the event loop was in the last full second, in milliseconds, at the 90th
   * percentile: one long turn is no overload. */
  delayMs(): number;
  close(): void;
}

const WINDOW_MS = 1_000;
/** The monitor's own period; what it measures includes it. */
const RESOLUTION_MS = 10;

export function watchEventLoop(): EventLoop {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();
  let delayMs = 0;
  const timer = setInterval(() => {
    delayMs = Math.max(0, monitor.percentile(90) / 1e6 - RESOLUTION_MS);
    monitor.reset();
  }, WINDOW_MS).unref();
  return {
    delayMs: () => delayMs,
    close() {
      clearInterval(timer);
      monitor.disable();
    },
  };
}
