/** Contents of one modality to vectors: what is known is not read, what was encoded is not again. */
import type { EmbeddingCache } from "@marquetry/backends/embedding-cache";
import type { EncodeResult, Encoder } from "@marquetry/inference/encoder";
import { FailureCause } from "@marquetry/contracts/events/product_pb";
import { claimedDigest, digestOf, embeddingDigest, encoderDigest } from "./content.js";
import type { EncoderEvents } from "./events.js";
import type { MediaFailure, MediaKind } from "./media/limits.js";
import type { MediaReader } from "./media/media-reader.js";
import type { Semaphore } from "./semaphore.js";

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

export interface EncodeModalityParts {
  readonly encoder: Encoder;
  readonly readMedia: MediaReader["read"];
  readonly cache: EmbeddingCache;
  readonly events: EncoderEvents;
  /** Shared by all calls: so many groups of sources are in memory at a time. */
  readonly slots: Semaphore;
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

type EncodeFailure = Extract<EncodeResult, { failure: string }>["failure"];

const ENCODE_CAUSES = {
  undecodable: FailureCause.UNDECODABLE,
  "too-large": FailureCause.TOO_LARGE,
  timeout: FailureCause.TIMEOUT,
  "no-decoder": FailureCause.NO_DECODER,
  encoder: FailureCause.ENCODER,
} as const satisfies Record<EncodeFailure, FailureCause>;

type Content = string | Uint8Array;

/**
 * Sources that are the same are encoded once, in one call, over concurrent calls, and as long as the
 * cache keeps what came of them, over processes too. A medium whose producer gives its digest is not
 * even read then; another one is asked for by its host's own marks. A source that fails fails alone.
 */
export function createEncodeModality(parts: EncodeModalityParts): EncodeModality {
  const embed = createEmbed(parts);
  return async (sources) => {
    const unique = Map.groupBy(sources, keyOf);
    const endings = new Map<string, Encoded>();
    await Promise.all(
      groups([...unique], parts.groupMax).map((group) =>
        parts.slots.run(async () => {
          const ended = await encodeGroup(
            group.map(([, [source]]) => source as Source),
            embed,
            parts,
          );
          group.forEach(([key], at) => endings.set(key, ended[at] as Encoded));
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

function groups<Item>(items: readonly Item[], max: number): (readonly Item[])[] {
  const count = Math.ceil(items.length / max);
  return Array.from({ length: count }, (_, at) => items.slice(at * max, (at + 1) * max));
}

/** A source on its way: under which digest its vector is told, and what is there of it so far. */
interface Pending {
  readonly source: Source;
  readonly claimed: string | undefined;
  ended?: Encoded;
  content?: Content;
  /** Of the content itself. */
  contentDigest?: string;
}

async function encodeGroup(
  sources: readonly Source[],
  embed: Embed,
  parts: EncodeModalityParts,
): Promise<Encoded[]> {
  const pending = sources.map((source): Pending => ({
    source,
    claimed: source.kind === "text" ? undefined : claimedDigest(source),
  }));
  const known = new Map<string, Float32Array>();
  await embed.lookUp(
    pending.flatMap(({ claimed }) => claimed ?? []),
    known,
  );
  await Promise.all(
    pending.map(async (each) => {
      const vector = each.claimed === undefined ? undefined : known.get(each.claimed);
      if (each.claimed !== undefined && vector !== undefined)
        each.ended = { kind: "encoded", digest: embed.digestOf(each.claimed), vector };
      else await fetchContent(each, embed, parts);
    }),
  );
  const wanted = new Map<string, Content>();
  for (const { ended, content, contentDigest } of pending) {
    if (ended === undefined && content !== undefined && contentDigest !== undefined)
      wanted.set(contentDigest, content);
  }
  const results = await embed.encode(wanted);
  const aliases = new Map<string, Float32Array>();
  const endings = pending.map((each): Encoded => {
    if (each.ended !== undefined) return each.ended;
    const { contentDigest = "" } = each;
    const result = results.get(contentDigest);
    if (result === undefined) throw new Error("a content was neither found nor encoded");
    if ("failure" in result)
      return { kind: "failed", cause: ENCODE_CAUSES[result.failure], detail: result.detail };
    const digest = toldDigest(each, contentDigest);
    if (digest !== contentDigest) aliases.set(embed.digestOf(digest), result.vector);
    return { kind: "encoded", digest: embed.digestOf(digest), vector: result.vector };
  });
  if (aliases.size > 0) await parts.cache.set(aliases);
  return endings;
}

/** Always the same for the same source, whether it was read or not. A SHA-256 that turns out to be
 * wrong counts for nothing, so that nobody gets another picture's vector by it. */
function toldDigest({ claimed }: Pending, contentDigest: string): string {
  return claimed === undefined || claimed.startsWith("sha256:") ? contentDigest : claimed;
}

async function fetchContent(
  pending: Pending,
  embed: Embed,
  { readMedia }: EncodeModalityParts,
): Promise<void> {
  const { source } = pending;
  if (source.kind === "text") {
    pending.content = source.text;
    pending.contentDigest = digestOf(source.text);
    return;
  }
  const known = new Map<string, Float32Array>();
  const media = await readMedia({
    url: source.url,
    kind: source.kind,
    isKnown: async (digest) => {
      await embed.lookUp([digest], known);
      return known.has(digest);
    },
  });
  if ("bytes" in media) {
    pending.content = media.bytes;
    pending.contentDigest = media.digest;
  } else if ("unchanged" in media) {
    const vector = known.get(media.unchanged);
    if (vector === undefined) throw new Error("a medium is unchanged of which nothing was known");
    const digest = embed.digestOf(toldDigest(pending, media.unchanged));
    pending.ended = { kind: "encoded", digest, vector };
  } else {
    const cause = MEDIA_CAUSES[media.failure];
    pending.ended = { kind: "failed", cause, detail: media.detail };
  }
}

/** The encoder behind its cache; contents go by their own digests. */
interface Embed {
  /** The cache's key, and the digest that events tell. */
  readonly digestOf: (content: string) => string;
  /** Adds to `found` what the cache holds. */
  lookUp(contents: readonly string[], found: Map<string, Float32Array>): Promise<void>;
  /** Answers for each content; what another call is encoding now is waited for. */
  encode(contents: ReadonlyMap<string, Content>): Promise<Map<string, EncodeResult>>;
}

function createEmbed({ encoder, cache, events, encodeTimeoutMs }: EncodeModalityParts): Embed {
  const { dims, modality } = encoder.manifest;
  const encoderName = encoderDigest(encoder);
  const inFlight = new Map<string, Promise<ReadonlyMap<string, EncodeResult>>>();

  const embed: Embed = {
    digestOf: (content) => embeddingDigest(encoderName, content),
    async lookUp(contents, found) {
      const vectors = await cache.get(contents.map(embed.digestOf));
      contents.forEach((content, at) => {
        const vector = vectors[at];
        if (vector?.length === dims) found.set(content, vector);
      });
      events.cacheAsked(modality, contents.length, found.size);
    },
    async encode(contents) {
      const mine = [...contents].filter(([digest]) => !inFlight.has(digest));
      const work = findOrEncode(new Map(mine)).finally(() => {
        for (const [digest] of mine) inFlight.delete(digest);
      });
      for (const [digest] of mine) inFlight.set(digest, work);
      const answers = new Map<string, EncodeResult>();
      const waits = Array.from(contents.keys(), async (digest) => {
        const result = (await (inFlight.get(digest) ?? work)).get(digest);
        if (result !== undefined) answers.set(digest, result);
      });
      await Promise.all([work, ...waits]);
      return answers;
    },
  };

  /** Nobody else looks for these meanwhile, so what is not found is encoded once. */
  async function findOrEncode(
    contents: ReadonlyMap<string, Content>,
  ): Promise<Map<string, EncodeResult>> {
    const found = new Map<string, Float32Array>();
    await embed.lookUp([...contents.keys()], found);
    const answers = new Map<string, EncodeResult>();
    for (const [digest, vector] of found) answers.set(digest, { vector });
    const missing = [...contents].filter(([digest]) => !found.has(digest));
    if (missing.length === 0) return answers;
    const results = await within(
      encoder.encode(missing.map(([, content]) => content)),
      missing.length,
      encodeTimeoutMs,
    );
    const fresh = new Map<string, Float32Array>();
    missing.forEach(([digest], at) => {
      const result = results[at];
      if (result === undefined) throw new Error("the encoder gave fewer results than contents");
      answers.set(digest, result);
      if ("vector" in result) fresh.set(embed.digestOf(digest), result.vector);
    });
    events.contentsEncoded(modality, missing.length);
    await cache.set(fresh);
    return answers;
  }

  return embed;
}

/** A partition must not wait for ever for an encoder that is stuck. */
async function within(
  work: Promise<EncodeResult[]>,
  count: number,
  ms: number,
): Promise<EncodeResult[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<EncodeResult[]>((resolve) => {
    const failure = { failure: "timeout", detail: `not encoded within ${ms} ms` } as const;
    timer = setTimeout(() => resolve(Array.from({ length: count }, () => failure)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // Whether it still ends well is nobody's concern any more.
    work.catch(() => undefined);
  }
}
