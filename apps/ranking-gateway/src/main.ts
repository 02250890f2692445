import { runService } from "@marquetry/runtime/lifecycle";
import { readRankingGatewayConfig } from "./config.js";
import { openRankingGatewayPorts } from "./ports.js";
import { startRankingGateway } from "./ranking-gateway.module.js";

await runService("ranking-gateway", readRankingGatewayConfig, async (config, context) => {
  await startRankingGateway(config, context, await openRankingGatewayPorts(config, context));
});
