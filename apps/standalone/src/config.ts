import { readConfig, serviceConfig } from "@marquetry/runtime/config";
import { z } from "zod";
import type { PlatformEnvironment } from "./platform.js";

const schema = z.object(serviceConfig);

/** The standalone's own variables; `environment` goes on to the four services, which check theirs. */
export type StandaloneConfig = z.output<typeof schema> & {
  readonly environment: PlatformEnvironment;
};

export function readStandaloneConfig(env: NodeJS.ProcessEnv = process.env): StandaloneConfig {
  return { ...readConfig(schema, env), environment: env };
}
