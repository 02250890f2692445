/** The gRPC door: single contents, while products come over the bus. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { status } from "@grpc/grpc-js";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openEncoder } from "@marquetry/inference/open-encoder";
import type { Encoder } from "@marquetry/inference/encoder";
import { textGraph, writeImageEncoder, writeTextEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";
import { EncoderService } from "@marquetry/contracts/encoder/encoder_service_pb";
import { createGrpcClient } from "@marquetry/grpc/client";
import { vectorFromBytes } from "@marquetry/model/vectors/vector";
import { createLogger } from "@marquetry/runtime/logger";
import { startService } from "@marquetry/runtime/lifecycle";
import type { RunningService } from "@marquetry/runtime/lifecycle";
import { readEncoderConfig } from "../src/config.js";
import type { ContentModality } from "@marquetry/contracts/modalities";
import { startEncoder } from "../src/encoder.module.js";
import { pixel } from "./pictures.js";

const encoders = new Map<ContentModality, Encoder>();
let service: RunningService;
let client: ReturnType<typeof open>;

function open(port: number) {
  return createGrpcClient(EncoderService, `127.0.0.1:${port}`);
}

beforeAll(async () => {
  // Slow: about 20 ms a text.
  const text = await writeTextEncoder({ dims: 512 }, textGraph({ dims: 512, layers: 24 }));
  encoders.set("text", await openEncoder({ directory: text, workers: 1, batchMax: 1 }));
  const image = await writeImageEncoder();
  encoders.set("image", await openEncoder({ directory: image, workers: 1 }));
  const config = readEncoderConfig({
    EVENT_BUS_URL: "memory:",
    HTTP_PORT: "0",
    GRPC_PORT: "0",
    LOG_LEVEL: "silent",
    CALLS_MAX: "8",
  });
  const bus = openEventBus("memory:", { clientId: "t", logger: createLogger("t", "silent") });
  service = await startService(
    "encoder",
    config,
    async (_, context) => {
      context.closers.add("event bus", () => bus.close());
      client = open(await startEncoder(config, context, { bus, encoders }));
    },
    (error) => {
      throw error;
    },
  );
});

afterAll(async () => {
  client.close();
  await service.close();
  await Promise.all([...encoders.values()].map((encoder) => encoder.close()));
  await removeFolders();
});

const text = (value: string) => ({ content: { case: "text" as const, value } });
const image = (value: Uint8Array) => ({ content: { case: "image" as const, value } });

describe("Encode", () => {
  test("a text and a picture get the vectors that products get, with encoder, space and dims", async () => {
    for (const [modality, content, request] of [
      ["text", "red shoe", text("red shoe")],
      ["image", pixel(200, 30, 90), image(pixel(200, 30, 90))],
    ] as const) {
      const encoder = encoders.get(modality)!;
      const [result] = await encoder.encode([content]);
      const answer = await client.calls.encode(request);
      const { id, dims } = encoder.manifest;
      expect(answer).toMatchObject({ encoder: id, embeddingSpace: id, dims });
      if (result === undefined || !("vector" in result)) throw new Error("not encoded");
      expect(Array.from(vectorFromBytes(answer.vector))).toEqual(Array.from(result.vector));
    }
  });

  test("bytes that are no picture, and a modality that is not encoded here, name their field", async () => {
    for (const [request, details] of [
      [image(Buffer.from("<svg/>")), /^image: undecodable/],
      [{ content: { case: "video" as const, value: Buffer.from("x") } }, /^video: .*text, image/],
    ] as const) {
      await expect(client.calls.encode(request)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringMatching(details),
      });
    }
  });

  test("calls over the bound are shed at once, and those accepted are answered", async () => {
    const calls = Array.from({ length: 30 }, (_, i) =>
      client.calls.encode(text("red blue shoe mat ".repeat(1 + i))),
    );
    const outcomes = await Promise.allSettled(calls);
    const shed = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(shed.length).toBeGreaterThan(0);
    expect(shed.length).toBeLessThanOrEqual(22);
    for (const { reason } of shed)
      expect(reason).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  test("work whose deadline passes in the queue is not encoded", async () => {
    const encoder = encoders.get("text")!;
    const words = "red blue shoe mat bag warm light steel ".repeat(6);
    const before = encoder.encodedTotal();
    const ahead = encoder.encode(
      Array.from({ length: 40 }, () => words),
      { urgent: true },
    );
    const calls = Array.from({ length: 8 }, () =>
      client.calls.encode(text(words), { timeoutMs: 100 }),
    );
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ reason: { code: status.DEADLINE_EXCEEDED } });
    }
    await ahead;
    expect(encoder.encodedTotal() - before).toBe(40);
  });

  test("two equal calls at once are encoded once", async () => {
    const encoder = encoders.get("text")!;
    const before = encoder.encodedTotal();
    const [one, other] = await Promise.all([
      client.calls.encode(text("steel light bag")),
      client.calls.encode(text("steel light bag")),
    ]);
    expect(other).toEqual(one);
    expect(encoder.encodedTotal() - before).toBe(1);
  });

  test("of two equal calls, one that gives up takes nothing from the other", async () => {
    const encoder = encoders.get("text")!;
    const before = encoder.encodedTotal();
    const ahead = encoder.encode(
      Array.from({ length: 40 }, () => "red blue shoe mat bag warm light steel ".repeat(6)),
      { urgent: true },
    );
    const [hasty, patient] = await Promise.allSettled([
      client.calls.encode(text("mat of steel"), { timeoutMs: 100 }),
      client.calls.encode(text("mat of steel")),
    ]);
    expect(hasty).toMatchObject({ reason: { code: status.DEADLINE_EXCEEDED } });
    expect(patient).toMatchObject({ status: "fulfilled", value: { dims: 512 } });
    await ahead;
    expect(encoder.encodedTotal() - before).toBe(41);
  });

  test("a call is answered while a queue of products waits", async () => {
    const bulk = encoders.get("text")!;
    const words = Array.from({ length: 200 }, (_, i) => "red blue shoe mat ".repeat(1 + (i % 9)));
    let bulkEnded = false;
    const load = bulk.encode(words).then(() => (bulkEnded = true));
    expect((await client.calls.encode(text("warm bag"))).dims).toBe(512);
    expect(bulkEnded).toBe(false);
    await load;
  });
});
