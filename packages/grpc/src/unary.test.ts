import { EventEmitter } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { status } from "@grpc/grpc-js";
import type { ServerUnaryCall, StatusObject } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import { RecommendRequestSchema } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RecommendRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { ErrorCode } from "@marquetry/runtime/errors";
import { createUnary } from "./unary.js";

const HOUR_MS = 3_600_000;

function startCalls(callsMax: number) {
  const answered = new Map<string, number>();
  const unary = createUnary(
    {
      callAnswered: (_method, name) => void answered.set(name, (answered.get(name) ?? 0) + 1),
      callFailed: () => undefined,
    },
    callsMax,
  );
  const call = (
    answer: () => Promise<string>,
    deadline: number | Date = Date.now() + HOUR_MS,
    limit = 1,
  ): Promise<[string, string]> => {
    const handle = unary("Recommend", RecommendRequestSchema, answer);
    const request = create(RecommendRequestSchema, { userId: "u", limit });
    const serverCall = Object.assign(new EventEmitter(), { request, getDeadline: () => deadline });
    return new Promise((resolve) => {
      handle(serverCall as unknown as ServerUnaryCall<RecommendRequest, string>, (error, value) => {
        const { code, details } = (error ?? { code: status.OK, details: value }) as StatusObject;
        resolve([status[code], details]);
      });
    });
  };
  return { call, measured: () => [...answered].map(([name, count]) => `${name} ${count}`) };
}

describe("a unary call", () => {
  test.each<[ErrorCode, string]>([
    ["invalid", "INVALID_ARGUMENT"],
    ["not-found", "NOT_FOUND"],
    ["unavailable", "UNAVAILABLE"],
    ["deadline", "DEADLINE_EXCEEDED"],
    ["overloaded", "RESOURCE_EXHAUSTED"],
    ["corrupt", "INTERNAL"],
    ["internal", "INTERNAL"],
  ])("an error that is %s is answered %s", async (code, name) => {
    const { call, measured } = startCalls(1);
    const fail = () => Promise.reject(new MarquetryError(code, "the words", { field: "a.b" }));
    expect(await call(fail)).toEqual([name, "a.b: the words"]);
    expect(measured()).toEqual([`${name} 1`]);
  });

  test("what is no error of ours is INTERNAL and shows nothing of itself", async () => {
    const { call } = startCalls(1);
    const [name, words] = await call(() => Promise.reject(new Error("a secret")));
    expect([name, words]).toEqual(["INTERNAL", "an internal error happened"]);
  });

  test("a request that breaks a rule of the proto never gets to work", async () => {
    const { call } = startCalls(1);
    let answers = 0;
    const [name, words] = await call(async () => String((answers += 1)), Date.now() + HOUR_MS, 201);
    expect([name, answers]).toEqual(["INVALID_ARGUMENT", 0]);
    expect(words).toMatch(/^limit: /);
  });

  test.each([
    ["has passed already", () => Date.now() - 1],
    ["passes meanwhile", () => new Date(Date.now() + 20)],
  ])("a deadline that %s is answered while the work goes on and still counts", async (_, at) => {
    const { call, measured } = startCalls(1);
    const work = Promise.withResolvers<string>();
    expect((await call(() => work.promise, at()))[0]).toBe("DEADLINE_EXCEEDED");
    expect((await call(async () => "late"))[0]).toBe("RESOURCE_EXHAUSTED");
    work.resolve("done");
    await work.promise;
    await new Promise(setImmediate);
    expect(await call(async () => "next")).toEqual(["OK", "next"]);
    expect(measured()).toEqual(["DEADLINE_EXCEEDED 1", "RESOURCE_EXHAUSTED 1", "OK 1"]);
  });

  test("work that fails after its deadline frees its place and disturbs nothing", async () => {
    const { call } = startCalls(1);
    const work = Promise.withResolvers<string>();
    await call(() => work.promise, 0);
    work.reject(new Error("too late to matter"));
    await new Promise(setImmediate);
    expect(await call(async () => "next")).toEqual(["OK", "next"]);
  });

  test("a call without a deadline is at work like any other", async () => {
    const { call } = startCalls(1);
    expect(await call(async () => "whole", Infinity)).toEqual(["OK", "whole"]);
  });

  test("refused calls take no place", async () => {
    const { call } = startCalls(2);
    const work = Promise.withResolvers<string>();
    const accepted = [call(() => work.promise), call(() => work.promise)];
    for (let i = 0; i < 3; i += 1) {
      expect((await call(async () => "no"))[0]).toBe("RESOURCE_EXHAUSTED");
    }
    work.resolve("done");
    expect(await Promise.all(accepted)).toEqual([
      ["OK", "done"],
      ["OK", "done"],
    ]);
    expect((await call(async () => "yes"))[0]).toBe("OK");
  });
});
