import { expect, test } from "@jest/globals";
import { status } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import {
  EncodeRequestSchema,
  EncodeResponseSchema,
  EncoderService,
} from "@marquetry/contracts/encoder/encoder_service_pb";
import type {
  EncodeRequest,
  EncodeResponse,
} from "@marquetry/contracts/encoder/encoder_service_pb";
import { MarquetryError } from "@marquetry/runtime/errors";
import { createGrpcClient } from "../src/client.js";
import { startGrpcServer } from "../src/server.js";
import { createUnary } from "../src/unary.js";

type Answer = (request: EncodeRequest, signal: AbortSignal) => Promise<EncodeResponse>;

async function serve(answer: Answer, callsMax = 4) {
  const answered: string[] = [];
  const failures: unknown[] = [];
  const unary = createUnary(
    {
      callAnswered: (method, code) => void answered.push(`${method} ${code}`),
      callFailed: (_, error) => void failures.push(error),
    },
    callsMax,
  );
  const server = await startGrpcServer({
    service: EncoderService,
    implementation: { encode: unary("Encode", EncodeRequestSchema, answer) },
    port: 0,
    requestBytesMax: 9_000_000,
  });
  const client = createGrpcClient(EncoderService, `127.0.0.1:${server.port}`);
  const close = async (): Promise<void> => {
    client.close();
    await server.close();
  };
  return { answered, failures, server, encode: client.calls.encode, close };
}

const text = (value: string) => ({ content: { case: "text" as const, value } });
const echo: Answer = async () => create(EncodeResponseSchema, { encoder: "echo" });

test("a call is checked against the rules of the proto before any work is done", async () => {
  let calls = 0;
  const { encode, close, answered } = await serve(async (...args) => {
    calls += 1;
    return echo(...args);
  });
  try {
    expect((await encode(text("shoe"))).encoder).toBe("echo");
    for (const [request, field] of [
      [{}, "content"],
      [text(""), "text"],
      [text("ä".repeat(40_000)), "text"],
      [{ content: { case: "image" as const, value: new Uint8Array(8_388_609) } }, "image"],
    ] as const) {
      await expect(encode(request)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringMatching(new RegExp(`^${field}: `)),
      });
    }
    expect(calls).toBe(1);
    expect(answered.slice(0, 2)).toEqual(["Encode OK", "Encode INVALID_ARGUMENT"]);
  } finally {
    await close();
  }
});

test("a call over the bound is refused at once and the others are answered", async () => {
  const gate = Promise.withResolvers<void>();
  const both = Promise.withResolvers<void>();
  let atWork = 0;
  const { encode, close } = await serve(async (...args) => {
    atWork += 1;
    if (atWork === 2) both.resolve();
    await gate.promise;
    return echo(...args);
  }, 2);
  try {
    const accepted = [encode(text("a")), encode(text("b"))];
    await both.promise;
    await expect(encode(text("c"))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    gate.resolve();
    expect(await Promise.all(accepted)).toHaveLength(2);
    expect((await encode(text("d"))).encoder).toBe("echo");
  } finally {
    gate.resolve();
    await close();
  }
});

test("work hears when its deadline has passed, and counts as work until it has ended", async () => {
  const aborted = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let first = true;
  const { encode, close } = await serve(async (request, signal) => {
    if (!first) return echo(request, signal);
    first = false;
    signal.addEventListener("abort", () => aborted.resolve());
    await ended.promise;
    return echo(request, signal);
  }, 1);
  try {
    await expect(encode(text("slow"), { timeoutMs: 200 })).rejects.toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
    await aborted.promise;
    await expect(encode(text("next"))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    ended.resolve();
    expect((await encode(text("next"))).encoder).toBe("echo");
  } finally {
    ended.resolve();
    await close();
  }
});

test("a mistake of ours is reported and its words do not reach the caller", async () => {
  const { encode, close, failures } = await serve(async (request) => {
    if (request.content.value === "away") throw new MarquetryError("unavailable", "it is away");
    throw new Error("secret");
  });
  try {
    await expect(encode(text("away"))).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: "it is away",
    });
    await expect(encode(text("x"))).rejects.toMatchObject({
      code: status.INTERNAL,
      details: expect.not.stringContaining("secret"),
    });
    expect(failures).toHaveLength(1);
  } finally {
    await close();
  }
});

test("closing answers the calls that were accepted", async () => {
  const accepted = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const { encode, server, close } = await serve(async (...args) => {
    accepted.resolve();
    await gate.promise;
    return echo(...args);
  });
  try {
    const call = encode(text("last"));
    await accepted.promise;
    const closing = server.close();
    gate.resolve();
    expect((await call).encoder).toBe("echo");
    await closing;
  } finally {
    await close();
  }
});
