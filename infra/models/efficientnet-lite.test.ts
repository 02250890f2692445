import { describe, expect, test } from "@jest/globals";
import { efficientNetLiteToOnnx } from "./efficientnet-lite.js";
import type { Tensor } from "./unpickle.js";

describe("EfficientNet-Lite", () => {
  test("an absent tensor is named", () => {
    expect(() => efficientNetLiteToOnnx("efficientnet-lite0", new Map())).toThrow(
      "the checkpoint has no _conv_stem.weight",
    );
  });

  test("a tensor of another shape is named with both shapes", () => {
    const stem: Tensor = { shape: [32, 3, 5, 5], data: new Float32Array(32 * 3 * 5 * 5) };
    expect(() =>
      efficientNetLiteToOnnx("efficientnet-lite0", new Map([["_conv_stem.weight", stem]])),
    ).toThrow("_conv_stem.weight is [32,3,5,5], expected [32,3,3,3]");
  });
});
