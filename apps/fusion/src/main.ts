import { runService } from "@marquetry/runtime/lifecycle";
import { readFusionConfig } from "./config.js";
import { openFusionPorts, startFusion } from "./fusion.module.js";

await runService("fusion", readFusionConfig, async (config, context) =>
  startFusion(context, await openFusionPorts(config, context)),
);
