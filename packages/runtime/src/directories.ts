/** Folders of this user that commands and services share. An empty variable counts as unset. */
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Partial<Record<string, string>>>;

/** `marquetry` in the user's cache folder: `XDG_CACHE_HOME`. Default: `~/.cache`. */
export function cacheDirectory(env: Environment): string {
  return join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "marquetry");
}

/** Where encoded texts and images of datasets are, by digest. */
export function featuresDirectory(env: Environment): string {
  return join(cacheDirectory(env), "features");
}

/** Where the pretrained encoders are, a folder each: `MODELS_DIR`. Default: `models` in the cache. */
export function modelsDirectory(env: Environment): string {
  return env["MODELS_DIR"] || join(cacheDirectory(env), "models");
}
