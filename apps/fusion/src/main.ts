import { runService } from "@marquetry/runtime/lifecycle";
import { readFusionConfig } from "./config.js";
import { startFusion } from "./fusion.module.js";
import { openFusionPorts } from "./ports.js";

await runService("fusion", readFusionConfig, async (config, context) => {
  await startFusion(context, await openFusionPorts(config, context));
});
