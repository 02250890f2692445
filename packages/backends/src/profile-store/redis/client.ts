import type { RedisClient } from "../../redis/connection.js";
import { ADD_POPULARITY, MOST_POPULAR, READ_POPULARITY, UPDATE_USER } from "./scripts.js";

type Argument = string | number | Buffer;

/** Landmark and half-life of the scores, then the scores; empty where there are none. */
type PopularityReply = [] | [head: [string, string], values: (string | null)[]];

/** What the profile store calls: commands of Redis, and its own scripts by the names of `SCRIPTS`. */
export interface Client extends Pick<RedisClient, "hgetallBuffer" | "unlink" | "ping"> {
  updateUser(key: string, ...args: Argument[]): Promise<number>;
  addPopularity(scores: string, state: string, ...args: Argument[]): Promise<number>;
  readPopularity(scores: string, state: string, ...ids: string[]): Promise<PopularityReply>;
  mostPopular(scores: string, state: string, limit: number): Promise<PopularityReply>;
}

export const SCRIPTS = {
  updateUser: { lua: UPDATE_USER, numberOfKeys: 1 },
  addPopularity: { lua: ADD_POPULARITY, numberOfKeys: 2 },
  readPopularity: { lua: READ_POPULARITY, numberOfKeys: 2 },
  mostPopular: { lua: MOST_POPULAR, numberOfKeys: 2 },
};
