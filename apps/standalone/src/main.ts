import { runService } from "@marquetry/runtime/lifecycle";
import { readStandaloneConfig } from "./config.js";
import { startPlatform } from "./platform.js";

await runService(
  "standalone",
  readStandaloneConfig,
  async ({ environment }, { resource, readiness, fail }) => {
    const platform = resource("platform", await startPlatform({ environment, fail }));
    readiness.set("event bus", () => platform.bus.ping());
    readiness.set("vector index", () => platform.index.ping());
    readiness.set("profile store", () => platform.profiles.ping());
  },
);
