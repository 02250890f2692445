import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  writeClipEncoder,
  writeFramesEncoder,
  writeImageEncoder,
  writeTextEncoder,
} from "@marquetry/testing/tiny-encoders";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import {
  FailureCause,
  ProductChangeSchema,
  ProductEmbeddedSchema,
} from "@marquetry/contracts/events/product_pb";
import type { EmbeddedProduct } from "@marquetry/contracts/events/product_pb";
import { PRODUCT_CHANGES, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { encodeBundle } from "@marquetry/model/bundle/codec";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { startService } from "@marquetry/runtime/lifecycle";
import type { Resource, ServiceContext } from "@marquetry/runtime/lifecycle";
import { afterAll, afterEach, expect, test } from "@jest/globals";
import { runsWith } from "@marquetry/testing/requirement";
import { firstRecords } from "@marquetry/testing/topic-records";
import { createUntil } from "@marquetry/testing/until";
import { readEncoderConfig } from "../src/config.js";
import { startEncoder } from "../src/encoder.module.js";
import { openEncoders } from "../src/encoders.js";
import { openEncoderPorts } from "../src/ports.js";
import type { EncoderPorts } from "../src/ports.js";
import { dataUrl, pixel } from "./pictures.js";

const until = createUntil(20_000, 10);
const RED = { url: dataUrl(pixel(255, 0, 0)) };
/** An MP4 index without anything in it: enough to reach the decoder. */
const EMPTY_VIDEO = Buffer.from("\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov", "latin1");

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});
afterAll(removeFolders);

async function tinyEncoders() {
  const { video } = await writeFramesEncoder();
  const folders = { text: await writeTextEncoder(), image: await writeImageEncoder() };
  return {
    MODELS_DIR: dirname(folders.text),
    ENCODER_TEXT: basename(folders.text),
    ENCODER_IMAGE: basename(folders.image),
    ENCODER_VIDEO: join(basename(dirname(video)), "tiny-video"),
  };
}

async function start(env: Record<string, string>) {
  const config = readEncoderConfig({
    EVENT_BUS_URL: "memory:",
    HTTP_PORT: "0",
    GRPC_PORT: "0",
    LOG_LEVEL: "silent",
    ...env,
  });
  let ports: EncoderPorts | undefined;
  const service = await startService(
    "encoder",
    config,
    async (_, context) => {
      ports = await openEncoderPorts(config, context);
      await startEncoder(config, context, ports);
    },
    (error) => {
      throw error;
    },
  );
  closers.push(() => service.close());
  const at = (path: string) => fetch(`http://127.0.0.1:${service.healthPort}/${path}`);
  return { at, bus: ports!.bus };
}

/** Publishes one product and takes what the encoder makes of it. */
async function encoded(bus: EncoderPorts["bus"], video: Uint8Array): Promise<EmbeddedProduct> {
  const url = `data:video/mp4;base64,${Buffer.from(video).toString("base64")}`;
  const change = create(ProductChangeSchema, {
    productId: randomUUID(),
    revision: 1n,
    occurredAt: timestampFromMs(Date.now()),
    change: { case: "upserted", value: { title: "red shoe", images: [RED], videos: [{ url }] } },
  });
  await bus.publish(PRODUCT_CHANGES.name, [
    { key: change.productId, value: toBinary(ProductChangeSchema, change) },
  ]);
  const [record] = await firstRecords(bus, PRODUCT_EMBEDDINGS.name, 1, until);
  const { state } = fromBinary(ProductEmbeddedSchema, record!.value);
  if (state.case !== "embedded") throw new Error(`expected an embedded product, got ${state.case}`);
  return state.value;
}

test("without ffmpeg a product's video fails for want of a decoder, and nothing else does", async () => {
  const { at, bus } = await start({ ...(await tinyEncoders()), ENCODER_FFMPEG: "no-such-ffmpeg" });
  const { embeddings, failed } = await encoded(bus, EMPTY_VIDEO);
  expect(embeddings.map(({ modality }) => modality).toSorted()).toEqual(["image", "text"]);
  expect(failed).toMatchObject([
    {
      modality: "video",
      cause: FailureCause.NO_DECODER,
      detail: "no no-such-ffmpeg on this machine",
    },
  ]);
  const ready = await at("readyz");
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({
    ready: true,
    degraded: true,
    checks: { video: expect.stringContaining("no decoder: no no-such-ffmpeg on this machine") },
  });
  const metrics = await (await at("metrics")).text();
  expect(metrics).toMatch(/^marquetry_encoder_video_decoder_available_ratio 0$/m);
  expect(metrics).toMatch(
    /^marquetry_encoder_modalities_total\{modality="video",outcome="no_decoder"\} 1$/m,
  );
});

const ffmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;

(runsWith(ffmpeg, "there is no ffmpeg on this machine") ? test : test.skip)(
  "a product's video becomes a vector, and readiness is whole",
  async () => {
    const file = join(await newFolder(), "red.mp4");
    const source = ["-f", "lavfi", "-i", "color=red:d=1", "-pix_fmt", "yuv420p"];
    expect(spawnSync("ffmpeg", ["-v", "error", ...source, file]).status).toBe(0);
    const { at, bus } = await start(await tinyEncoders());
    const { embeddings, failed } = await encoded(bus, await readFile(file));
    expect(failed).toEqual([]);
    const video = embeddings.find(({ modality }) => modality === "video");
    expect(video).toMatchObject({ encoder: "tiny-video" });
    expect(video?.vector).toHaveLength(4 * 12);
    const ready = await at("readyz");
    expect(await ready.json()).toMatchObject({ degraded: false, checks: { video: "ok" } });
    const metrics = await (await at("metrics")).text();
    expect(metrics).toMatch(/^marquetry_encoder_video_decoder_available_ratio 1$/m);
  },
);

/** A bundle's folder that names these encoders. */
async function writeBundle(encoders: Parameters<typeof zeroShotBundle>[0]): Promise<string> {
  const { manifest, weights } = await encodeBundle(await zeroShotBundle(encoders, { dims: 8 }));
  return newFolder({ "manifest.json": manifest, "weights.safetensors": weights });
}

async function open(env: Record<string, string>): Promise<string[]> {
  const opened: Resource[] = [];
  const resource: ServiceContext["resource"] = (_, each) => {
    opened.push(each);
    return each;
  };
  try {
    const config = readEncoderConfig({ EVENT_BUS_URL: "memory:", ...env });
    const encoders = await openEncoders(config, { resource });
    return [...encoders].map(([modality, { manifest }]) => `${modality} ${manifest.id}`);
  } finally {
    for (const each of opened) await each.close();
  }
}

test("the bundle names the encoders in use, of any number that are registered", async () => {
  const MODELS_DIR = dirname((await writeFramesEncoder()).video);
  const BUNDLE_DIR = await writeBundle({
    image: { encoder: "tiny-image", dims: 12 },
    video: { encoder: "tiny-video", dims: 12 },
  });
  expect(await open({ MODELS_DIR, BUNDLE_DIR })).toEqual(["image tiny-image", "video tiny-video"]);
  await expect(open({ MODELS_DIR, BUNDLE_DIR, ENCODER_IMAGE: "tiny-video" })).rejects.toThrow(
    'ENCODER_IMAGE: the bundle names tiny-image (got "tiny-video")',
  );
});

test("an encoder that does not fit the bundle, or is not there, is named precisely", async () => {
  const MODELS_DIR = dirname((await writeFramesEncoder()).video);
  const dims = await writeBundle({ image: { encoder: "tiny-image", dims: 13 } });
  await expect(open({ MODELS_DIR, BUNDLE_DIR: dims })).rejects.toThrow(
    "BUNDLE_DIR: has 13 dims for tiny-image, which has 12",
  );
  const missing = await writeBundle({ image: { encoder: "resnet", dims: 12 } });
  await expect(open({ MODELS_DIR, BUNDLE_DIR: missing })).rejects.toThrow(
    /resnet\/manifest\.json cannot be read; .* holds tiny-image, tiny-video$/,
  );
});

test("encoders that claim one space but differ in dims are a wrong configuration", async () => {
  const text = await writeTextEncoder({ space: "pair" });
  const image = await writeImageEncoder({ space: "pair" });
  const video = await writeClipEncoder();
  const env = {
    MODELS_DIR: dirname(text),
    ENCODER_TEXT: basename(text),
    ENCODER_IMAGE: basename(image),
    ENCODER_VIDEO: basename(video),
  };
  await expect(open(env)).rejects.toThrow("space pair: tiny-text has 16 dims and tiny-image 12");
});
