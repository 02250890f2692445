/** Contents of one modality to vectors: what is known is not read, what was encoded is not again. */
import { FailureCause } from "@marquetry/contracts/events/product_pb";
import type { Content, EncodeFailure, EncodeResult } from "@marquetry/inference/encoder";
import type { CachedEncoder } from "./cached-encoder.js";
import { claimedDigest, digestOf } from "./content.js";
import type { MediaFailure, MediaKind } from "./media/limits.js";
import type { MediaReader } from "./media/media-reader.js";
import type { Semaphore } from "./concurrency/semaphore.js";

export type Source =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: MediaKind;
      readonly url: string;
      /** As the producer gives it; empty without one. */
      readonly digest: string;
    };

/** How one source ended. */
export type Encoded =
  | { readonly kind: "failed"; readonly cause: FailureCause; readonly detail: string }
  | { readonly kind: "encoded"; readonly digest: string; readonly vector: Float32Array };

/** Encodes sources, each once; the results in their order. */
export type EncodeModality = (sources: readonly Source[]) => Promise<Encoded[]>;

export interface EncodeModalityDeps {
  readonly encoder: CachedEncoder;
  readonly readMedia: MediaReader["read"];
  /** Shared by all calls: so many groups of sources are in memory at a time. */
  readonly semaphore: Semaphore;
  /** Sources of one group. */
  readonly groupMax: number;
  /** For one group in the encoder, its queue included. */
  readonly encodeTimeoutMs: number;
}

const MEDIA_CAUSES = {
  "not-found": FailureCause.NOT_FOUND,
  refused: FailureCause.REFUSED,
  "too-large": FailureCause.TOO_LARGE,
  undecodable: FailureCause.UNDECODABLE,
  unreachable: FailureCause.UNREACHABLE,
} as const satisfies Record<MediaFailure, FailureCause>;

const ENCODE_CAUSES = {
  undecodable: FailureCause.UNDECODABLE,
  "too-large": FailureCause.TOO_LARGE,
  timeout: FailureCause.TIMEOUT,
  "no-decoder": FailureCause.NO_DECODER,
  encoder: FailureCause.ENCODER,
} as const satisfies Record<EncodeFailure["failure"], FailureCause>;

/**
 * Sources that are the same are encoded once, in one call, over concurrent calls, and as long as the
 * cache keeps what came of them, over processes too. A medium whose producer gives its digest is not
 * even read then; another one is asked for by its host's own marks. A source that fails fails alone.
 */
export function createEncodeModality(deps: EncodeModalityDeps): EncodeModality {
  return async (sources) => {
    const unique = Map.groupBy(sources, keyOf);
    const endings = new Map<string, Encoded>();
    await Promise.all(
      groupsOf([...unique], deps.groupMax).map((group) =>
        deps.semaphore.run(async () => {
          const encoded = await encodeGroup(
            group.map(([, [source]]) => source as Source),
            deps,
          );
          group.forEach(([key], at) => endings.set(key, encoded[at] as Encoded));
        }),
      ),
    );
    return sources.map((source) => endings.get(keyOf(source)) as Encoded);
  };
}

function keyOf(source: Source): string {
  return source.kind === "text"
    ? source.text
    : `${source.digest.length} ${source.digest} ${source.url}`;
}

function groupsOf<Item>(items: readonly Item[], max: number): (readonly Item[])[] {
  const count = Math.ceil(items.length / max);
  return Array.from({ length: count }, (_, at) => items.slice(at * max, (at + 1) * max));
}

/** A source whose content is in memory, to be encoded. */
interface Loaded {
  readonly kind: "loaded";
  readonly content: Content;
  /** Of the content itself. */
  readonly digest: string;
}

async function encodeGroup(
  sources: readonly Source[],
  deps: EncodeModalityDeps,
): Promise<Encoded[]> {
  const { encoder, encodeTimeoutMs } = deps;
  const claims = sources.map((source) =>
    source.kind === "text" ? undefined : claimedDigest(source),
  );
  const known = await encoder.lookUp(claims.filter((claim) => claim !== undefined));
  const loaded = await Promise.all(
    sources.map((source, at) => load(source, claims[at], known, deps)),
  );
  const contents = new Map<string, Content>();
  for (const each of loaded) if (each.kind === "loaded") contents.set(each.digest, each.content);
  const results = await encoder.encode(contents, { timeoutMs: encodeTimeoutMs });
  const aliases = new Map<string, Float32Array>();
  const endings = loaded.map((each, at): Encoded => {
    if (each.kind !== "loaded") return each;
    const result = results.get(each.digest);
    if (result === undefined) throw new Error("a content was neither found nor encoded");
    const digest = publishedDigest(claims[at], each.digest);
    if ("vector" in result && digest !== each.digest) aliases.set(digest, result.vector);
    return endingOf(result, encoder.digestOf(digest));
  });
  await encoder.store(aliases);
  return endings;
}

/** @param known vectors by claimed digest */
async function load(
  source: Source,
  claim: string | undefined,
  known: ReadonlyMap<string, Float32Array>,
  { encoder, readMedia }: EncodeModalityDeps,
): Promise<Encoded | Loaded> {
  if (source.kind === "text") {
    return { kind: "loaded", content: source.text, digest: digestOf(source.text) };
  }
  const vector = claim === undefined ? undefined : known.get(claim);
  if (claim !== undefined && vector !== undefined)
    return { kind: "encoded", digest: encoder.digestOf(claim), vector };
  const found = new Map<string, Float32Array>();
  const media = await readMedia({
    url: source.url,
    kind: source.kind,
    isKnown: async (digest) => {
      const cached = (await encoder.lookUp([digest])).get(digest);
      if (cached !== undefined) found.set(digest, cached);
      return cached !== undefined;
    },
  });
  if ("bytes" in media) return { kind: "loaded", content: media.bytes, digest: media.digest };
  if ("failure" in media)
    return { kind: "failed", cause: MEDIA_CAUSES[media.failure], detail: media.detail };
  const unchanged = found.get(media.unchanged);
  if (unchanged === undefined) throw new Error("a medium is unchanged of which nothing was known");
  const digest = encoder.digestOf(publishedDigest(claim, media.unchanged));
  return { kind: "encoded", digest, vector: unchanged };
}

/** Always the same for the same source, whether it was read or not. A SHA-256 that turns out to be
 * wrong counts for nothing, so that nobody gets another picture's vector by it. */
function publishedDigest(claim: string | undefined, contentDigest: string): string {
  return claim === undefined || claim.startsWith("sha256:") ? contentDigest : claim;
}

function endingOf(result: EncodeResult, digest: string): Encoded {
  return "vector" in result
    ? { kind: "encoded", digest, vector: result.vector }
    : { kind: "failed", cause: ENCODE_CAUSES[result.failure], detail: result.detail };
}
