import { expect, test } from "@jest/globals";
import { cacheDirectory, modelsDirectory } from "./directories.js";

test("the encoders are where MODELS_DIR says, else in the user's cache", () => {
  expect(modelsDirectory({ MODELS_DIR: "/here", XDG_CACHE_HOME: "/cache" })).toBe("/here");
  expect(modelsDirectory({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/marquetry/models");
  expect(modelsDirectory({})).toMatch(/\.cache\/marquetry\/models$/);
  expect(modelsDirectory({ MODELS_DIR: "", XDG_CACHE_HOME: "" })).toBe(modelsDirectory({}));
  expect(cacheDirectory({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/marquetry");
});
