import { LRUCache } from "lru-cache";

/** By what a host tells versions of a medium apart, and the digest of the version last read. */
export interface Validator {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly digest: string;
}

/** Validators by URL, bounded by their characters; the least recently used are dropped first. */
export interface Validators {
  get(url: string): Validator | undefined;
  set(url: string, validator: Validator): void;
}

/** At some 200 characters each, 80,000 media. */
const CHARACTERS_MAX = 16_777_216;
const HEADER_CHARACTERS_MAX = 512;

export function createValidators(charactersMax = CHARACTERS_MAX): Validators {
  const cache = new LRUCache<string, Validator>({
    maxSize: charactersMax,
    sizeCalculation: ({ etag = "", lastModified = "", digest }, url) =>
      url.length + etag.length + lastModified.length + digest.length,
  });
  return {
    get: (url) => cache.get(url),
    set(url, { etag, lastModified, digest }) {
      const validator = { etag: bounded(etag), lastModified: bounded(lastModified), digest };
      // What can no longer be compared must not be: the medium has changed.
      if (validator.etag === undefined && validator.lastModified === undefined) cache.delete(url);
      else cache.set(url, validator);
    },
  };
}

function bounded(header: string | undefined): string | undefined {
  return header !== undefined && header.length <= HEADER_CHARACTERS_MAX ? header : undefined;
}
