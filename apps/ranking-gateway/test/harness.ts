/** The gateway on memory ports that tests make unavailable or hold back, and a gRPC client of it. */
import { randomUUID } from "node:crypto";
import { afterEach } from "@jest/globals";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type { Point } from "@marquetry/backends/product-index";
import type { PointPayload } from "@marquetry/backends/product-index/payload";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import type { Bundle } from "@marquetry/model/bundle";
import { fusedDims } from "@marquetry/model/fusion";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { MarquetryError } from "@marquetry/runtime/errors";
import { startService } from "@marquetry/runtime/lifecycle";
import { readRankingGatewayConfig } from "../src/config.js";
import { startRankingGateway } from "../src/ranking-gateway.module.js";
import { createClient } from "./client.js";
import { Gate, gated } from "@marquetry/testing/gate";
import { createUntil } from "@marquetry/testing/until";
import type { Interaction } from "@marquetry/contracts/interactions";
import type { ActionName } from "@marquetry/contracts/actions";

/** Vectors are directions in a plane, so that similarities are cosines of angles. */
export const PLANE: Bundle = await zeroShotBundle(
  { text: { encoder: "words", dims: 2 } },
  { dims: 2 },
);
/** So old that nothing of its freshness is left. */
export const LONG_AGO = 0;
/** Not available yet: as fresh as can be. */
export const TOMORROW = Date.now() + 86_400_000;
export const until = createUntil(10_000, 5);

/** What a test opened, closed in the reverse order even where the test fails. */
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function newGate(): Gate {
  return new Gate(new MarquetryError("unavailable", "it does not answer"));
}

interface HarnessOptions {
  readonly bundle?: Bundle;
  readonly callsMax?: number;
  /** Whether fusion has started once already. */
  readonly collection?: boolean;
}

export async function startHarness(options: HarnessOptions = {}) {
  const { bundle = PLANE, callsMax = 256, collection = true } = options;
  const name = productCollection(bundle.id);
  const index = openProductIndex("memory:");
  const modalities = Object.entries(bundle.encoders).map(
    ([modality, { dims }]) => [modality, { size: dims, searchable: false }] as const,
  );
  const vectors = {
    [FUSED_VECTOR]: { size: fusedDims(bundle.fusion), searchable: true },
    ...Object.fromEntries(modalities),
  };
  if (collection) await index.ensureCollection({ name, vectors });
  const { popularityHalfLifeMs } = bundle.ranking;
  const profiles = openProfileStore("memory:", { bundleId: bundle.id, popularityHalfLifeMs });
  const gates = {
    index: newGate(),
    scans: newGate(),
    retrieves: newGate(),
    reads: newGate(),
    popularity: newGate(),
  };
  const config = readRankingGatewayConfig({
    VECTOR_INDEX_URL: "memory:",
    PROFILE_STORE_URL: "memory:",
    GRPC_PORT: "0",
    HTTP_PORT: "0",
    LOG_LEVEL: "silent",
    CALLS_MAX: String(callsMax),
  });
  let port = 0;
  const service = await startService(
    "ranking-gateway",
    config,
    async (_, context) => {
      const { resource } = context;
      port = await startRankingGateway(config, context, {
        bundle,
        index: resource(
          "vector index",
          gated(index, {
            retrieve: [gates.index, gates.retrieves],
            query: [gates.index],
            scan: [gates.index, gates.scans],
            count: [gates.index],
            ping: [gates.index],
          }),
        ),
        profiles: resource(
          "profile store",
          gated(profiles, {
            read: [gates.reads],
            popularity: [gates.popularity],
            mostPopular: [gates.popularity],
            ping: [gates.reads],
          }),
          "optional",
        ),
      });
    },
    (error) => console.error("the service failed:", error),
  );
  const client = createClient(port);
  closers.push(
    () => service.close(),
    () => client.close(),
    // A test that fails must not leave the service waiting for an answer that it held back.
    () => Object.values(gates).forEach((gate) => gate.release()),
  );
  return {
    bundle,
    client,
    gates,
    port,
    close: () => service.close(),
    http: `http://127.0.0.1:${service.healthPort}`,
    put: (...points: readonly Point[]) => index.upsert(name, points),
    ...writers(profiles),
  };
}

function writers(profiles: ProfileStore) {
  let offset = 0n;
  const source = () => ({ partition: 0, offset: (offset += 1n) });
  return {
    /** Stores a user with one interest, several or none, and an `action` on each product of the
     * history. Returns the user's id. */
    putUser: async (
      interest: Float32Array | readonly Float32Array[] | undefined,
      seen: readonly string[] = [],
      action: ActionName = "view",
    ) => {
      const userId = randomUUID();
      const history = seen.map((productId, at): Interaction => ({
        eventId: String(at).padStart(3, "0"),
        productId,
        action,
        occurredAtMs: 1,
      }));
      const interests = interest instanceof Float32Array ? [interest] : (interest ?? []);
      const change = () => ({ history, interests });
      await profiles.update([{ userId, source: source(), change }]);
      return userId;
    },
    putPopularity: async (weights: Readonly<Record<string, number>>) => {
      const occurredAtMs = Date.now();
      const events = Object.entries(weights).map(([productId, weight]) => ({
        productId,
        weight,
        occurredAtMs,
      }));
      await profiles.addPopularity(source(), events);
    },
  };
}

export function direction(degrees: number): Float32Array {
  const angle = (degrees * Math.PI) / 180;
  return Float32Array.of(Math.cos(angle), Math.sin(angle));
}

interface ProductOptions extends Partial<PointPayload> {
  /** Direction of the vector; one without has none. */
  readonly degrees?: number;
  readonly vector?: Float32Array;
}

/** A product. Default: available since long ago, in a group of its own. */
export function product(productId: string, options: ProductOptions = {}): Point {
  const { degrees, vector, ...payload } = options;
  const fused = vector ?? (degrees === undefined ? undefined : direction(degrees));
  return {
    payload: {
      productId,
      revision: 1,
      removed: false,
      title: `The ${productId}`,
      categories: ["Things"],
      brand: "Own",
      currency: "EUR",
      availability: "in-stock",
      availableFromMs: LONG_AGO,
      groupId: productId,
      modalities: fused === undefined ? [] : ["text"],
      encoders: {},
      ...payload,
    },
    vectors: fused === undefined ? {} : { [FUSED_VECTOR]: fused },
  };
}

export const idsOf = (answer: { readonly items: readonly { readonly productId: string }[] }) =>
  answer.items.map(({ productId }) => productId);
