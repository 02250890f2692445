import { MarquetryError } from "@marquetry/runtime/errors";

export function isRedisUrl(url: string): boolean {
  return /^rediss?:\/\/./.test(url) && URL.canParse(url);
}

/** Does not show the URL itself: it may carry a password. */
export function redisUrlExpected(port: string): MarquetryError {
  return new MarquetryError(
    "invalid",
    `${port} URL: expected memory:, redis://host:port, rediss://host:port or either with ?cluster=true`,
    { field: "url" },
  );
}
