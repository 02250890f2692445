import { expect, test } from "@jest/globals";
import { readEncoderConfig } from "./config.js";

const env = { EVENT_BUS_URL: "memory:" };

test("hosts of media are separated by commas, in lower case, and by default none are allowed", () => {
  expect(readEncoderConfig(env).MEDIA_HTTP_HOSTS).toEqual([]);
  const { MEDIA_HTTP_HOSTS } = readEncoderConfig({
    ...env,
    MEDIA_HTTP_HOSTS: " CDN.example, ,minio:9000 ",
  });
  expect(MEDIA_HTTP_HOSTS).toEqual(["cdn.example", "minio:9000"]);
});

test("encoders are looked for where they are said to be, else in the user's cache", () => {
  const cached = { ...env, XDG_CACHE_HOME: "/cache" };
  expect(readEncoderConfig(cached).MODELS_DIR).toBe("/cache/marquetry/models");
  expect(readEncoderConfig({ ...cached, MODELS_DIR: "/m" }).MODELS_DIR).toBe("/m");
});

test("the configuration cannot be changed once it is read", () => {
  expect(Object.isFrozen(readEncoderConfig(env))).toBe(true);
});

test("pauses before further attempts are read with their units, or as none", () => {
  const delays = (value: string) =>
    readEncoderConfig({ ...env, ENCODER_RETRY_DELAYS: value }).ENCODER_RETRY_DELAYS;
  expect(readEncoderConfig(env).ENCODER_RETRY_DELAYS).toEqual([60_000, 600_000, 3_600_000]);
  expect(delays("250ms, 30s,2d")).toEqual([250, 30_000, 172_800_000]);
  expect(delays("none")).toEqual([]);
  for (const wrong of ["soon", "0s", "1m,", "5", "1s,1s,1s,1s,1s,1s,1s"]) {
    expect(() => delays(wrong)).toThrow(
      "ENCODER_RETRY_DELAYS: expected up to 6 pauses such as 30s,10m,1h, or none",
    );
  }
});

test("modalities are known ones, each counted once, and open by default", () => {
  const modalities = (value: string) =>
    readEncoderConfig({ ...env, ENCODER_MODALITIES: value }).ENCODER_MODALITIES;
  expect(readEncoderConfig(env).ENCODER_MODALITIES).toBeUndefined();
  expect(modalities("image, text,image")).toEqual(["image", "text"]);
  expect(() => modalities("text,sound")).toThrow(/^ENCODER_MODALITIES: expected some of text/);
});

test("an embedding cache is in memory or a Redis, and its password is not repeated", () => {
  expect(readEncoderConfig(env).EMBEDDING_CACHE_URL).toBe("memory:");
  const open = () => readEncoderConfig({ ...env, EMBEDDING_CACHE_URL: "http://me:s3cret@host" });
  expect(open).toThrow(/^EMBEDDING_CACHE_URL: expected a URL that starts with memory: or redis:/);
  expect(open).not.toThrow(/s3cret/);
});
