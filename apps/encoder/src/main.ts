import { runService } from "@marquetry/runtime/lifecycle";
import { readEncoderConfig } from "./config.js";
import { openEncoderPorts, startEncoder } from "./encoder.module.js";

await runService("encoder", readEncoderConfig, async (config, context) => {
  await startEncoder(config, context, await openEncoderPorts(config, context));
});
