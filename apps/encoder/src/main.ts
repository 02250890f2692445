import { runService } from "@marquetry/runtime/lifecycle";
import { readEncoderConfig } from "./config.js";
import { startEncoder } from "./encoder.module.js";
import { openEncoderPorts } from "./ports.js";

await runService("encoder", readEncoderConfig, async (config, context) => {
  await startEncoder(config, context, await openEncoderPorts(config, context));
});
