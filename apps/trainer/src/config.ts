import { readConfig, url } from "@marquetry/runtime/config";
import { featuresDirectory, modelsDirectory } from "@marquetry/runtime/directories";
import { z } from "zod";

const systemSchema = z.object({
  EVENT_BUS_URL: url("kafka"),
  VECTOR_INDEX_URL: url("http", "https"),
  VECTOR_INDEX_API_KEY: z.string().optional(),
});

/** Where the running system is. */
export interface SystemConfig {
  readonly eventBusUrl: string;
  readonly vectorIndexUrl: string;
  readonly vectorIndexApiKey: string | undefined;
}

/** @param options replace variables of the environment, where they are defined */
export function readSystemConfig(
  options: Readonly<Record<string, string | undefined>>,
  env: NodeJS.ProcessEnv = process.env,
): SystemConfig {
  const defined = Object.entries(options).filter(([, value]) => value !== undefined);
  const config = readConfig(systemSchema, { ...env, ...Object.fromEntries(defined) });
  return {
    eventBusUrl: config.EVENT_BUS_URL,
    vectorIndexUrl: config.VECTOR_INDEX_URL,
    vectorIndexApiKey: config.VECTOR_INDEX_API_KEY,
  };
}

interface TrainerConfig {
  /** Pretrained encoders, a folder each, as `npm run models` writes them. */
  readonly modelsDirectory: string;
  /** Encoded texts and images, by digest. */
  readonly featuresDirectory: string;
}

export function readTrainerConfig(env: NodeJS.ProcessEnv = process.env): TrainerConfig {
  return {
    modelsDirectory: modelsDirectory(env),
    featuresDirectory: featuresDirectory(env),
  };
}
