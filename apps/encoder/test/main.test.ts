import { basename, dirname, join } from "node:path";
import { killProcesses, runNode } from "@marquetry/testing/node-process";
import { writeImageEncoder, writeTextEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";
import { afterAll, afterEach, expect, test } from "@jest/globals";

const MAIN = new URL("../src/main.js", import.meta.url);

afterEach(killProcesses);
afterAll(removeFolders);

function run(variables: Record<string, string>) {
  return runNode(MAIN, { EVENT_BUS_URL: "memory:", HTTP_PORT: "0", GRPC_PORT: "0", ...variables });
}

/** Names of the folders of small encoders, all beside each other. */
async function tinyEncoders() {
  const text = await writeTextEncoder();
  const image = await writeImageEncoder();
  return { MODELS_DIR: dirname(text), text: basename(text), image: basename(image) };
}

test("wrong variables end the process with 2 and one line for each", async () => {
  const { code, out, err } = await run({
    EVENT_BUS_URL: "amqp://user:s3cret@broker",
    ENCODER_WORKERS: "0",
    MEDIA_TIMEOUT_MS: "soon",
    EMBEDDING_CACHE_MB: "",
  }).ended;
  expect(err.split("\n")).toEqual([
    'EVENT_BUS_URL: expected a URL that starts with kafka: or memory: (got "amqp://…@broker")',
    'ENCODER_WORKERS: expected a whole number from 1 to 64 (got "0")',
    'MEDIA_TIMEOUT_MS: expected a whole number from 1 to 600000 (got "soon")',
    "",
  ]);
  expect([code, out]).toEqual([2, ""]);
});

test("a folder without the encoder ends the process with 1 and the path that is missing", async () => {
  const { code, err } = await run({ MODELS_DIR: "/nowhere" }).ended;
  const path = join("/nowhere", "all-minilm-l6-v2-int8", "manifest.json");
  expect(err).toContain(`${path} cannot be read`);
  expect(err.trim().split("\n")).toHaveLength(1);
  expect(code).toBe(1);
});

test("an encoder of another modality is a wrong configuration", async () => {
  const { MODELS_DIR, text, image } = await tinyEncoders();
  const { code, err } = await run({ MODELS_DIR, ENCODER_TEXT: text, ENCODER_IMAGE: text }).ended;
  expect(err).toBe(
    `ENCODER_IMAGE: expected an encoder of image (got "${text}", which is one of text)\n`,
  );
  expect(code).toBe(2);
  const swapped = await run({ MODELS_DIR, ENCODER_TEXT: image, ENCODER_IMAGE: image }).ended;
  expect(swapped.err).toMatch(/^ENCODER_TEXT: /);
});

test("the process starts, and SIGTERM ends it with 0", async () => {
  const { MODELS_DIR, text, image } = await tinyEncoders();
  const { child, wrote, ended } = run({ MODELS_DIR, ENCODER_TEXT: text, ENCODER_IMAGE: image });
  await wrote(/"started"/);
  child.kill("SIGTERM");
  const { code, err } = await ended;
  expect([code, err]).toEqual([0, ""]);
});
