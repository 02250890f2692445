import { homedir } from "node:os";
import { join } from "node:path";
import { readConfig } from "@marquetry/runtime/config";
import { z } from "zod";

const schema = z.object({
  /** Pretrained encoders, a folder each; as `npm run models` puts them. */
  MARQUETRY_MODELS_DIR: z.string().optional(),
  XDG_CACHE_HOME: z.string().optional(),
});

export interface TrainerConfig {
  readonly modelsDirectory: string;
  /** Encoded texts, by digest. */
  readonly featuresDirectory: string;
}

export function readTrainerConfig(env: NodeJS.ProcessEnv = process.env): TrainerConfig {
  const config = readConfig(schema, env);
  const cache = join(config.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "marquetry");
  return {
    modelsDirectory: config.MARQUETRY_MODELS_DIR ?? join(cache, "models"),
    featuresDirectory: join(cache, "features"),
  };
}
