/** Which URLs may be asked for at all, before anything is resolved. */
import { failed } from "./limits.js";
import type { FailedMedia, MediaLimits } from "./limits.js";

const URL_CHARACTERS_MAX = 8_192;

/** Holds for the URL of the medium and for each that it is redirected to. */
export function httpRefusal(
  url: URL,
  { httpHosts }: Pick<MediaLimits, "httpHosts">,
): FailedMedia | undefined {
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return failed("refused", "expected an http: or https: URL");
  if (url.href.length > URL_CHARACTERS_MAX)
    return failed("refused", `a URL of more than ${URL_CHARACTERS_MAX} characters`);
  if (!matchesHost(httpHosts, url.host))
    return failed("refused", `host ${url.host} is not allowed`);
  if (url.username !== "" || url.password !== "")
    return failed("refused", "addresses with a user or a password are not read");
  return undefined;
}

/** Where a redirect leads, to be judged like the first URL; never to a weaker protection. */
export function redirectTarget(from: URL, location: string): URL | FailedMedia {
  const target = URL.parse(location, from.href);
  if (target === null) return failed("refused", "redirected to what is not a URL");
  if (from.protocol === "https:" && target.protocol === "http:")
    return failed("refused", "redirected from https: to http:");
  return target;
}

/** `host` as in a parsed URL: in lower case, with a port where it is not that of the scheme. */
export function matchesHost(patterns: readonly string[], host: string): boolean {
  const [, name = "", port = ""] = /^(.*?)\.?(:\d+)?$/.exec(host) ?? [];
  return patterns.some((pattern) => {
    const [, allowed = "", allowedPort = ""] = /^(.*?)(:\d+)?$/.exec(pattern) ?? [];
    if (allowedPort !== port) return false;
    if (allowed === "*") return true;
    // The dot stays: `*.a.b` is neither a.b nor xa.b.
    return allowed.startsWith("*.") ? name.endsWith(allowed.slice(1)) : name === allowed;
  });
}
