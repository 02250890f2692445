import { expect, test } from "@jest/globals";
import { readEncoderConfig } from "./config.js";

const env = { EVENT_BUS_URL: "memory:" };

test("hosts of media are parted by commas, in lower case, and none are allowed unless named", () => {
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
