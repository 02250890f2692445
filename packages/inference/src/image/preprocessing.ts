/** From a picture file, which anyone may have made, to the numbers a graph takes. */
import sharp from "sharp";
import type { EncodeFailure } from "../encoder.js";
import type { ImageManifest } from "../manifest.js";

/** 50 megapixels: above any product photo, and 150 MB if all of it must be held at once. */
export const PIXELS_MAX = 50_000_000;
const BYTES_MAX = 64 * 1024 * 1024;
const DECODE_SECONDS_MAX = 20;

export interface ImagePixels {
  /** float32 values of one picture in the manifest's layout, `3 * size * size` of them. */
  prepare(file: Uint8Array): Promise<Float32Array | EncodeFailure>;
}

/**
 * Sets up libvips for the whole process: only raster formats are recognised, so that neither an
 * SVG (which can refer to files) nor a document ever reaches its parser; one thread per decode,
 * since the number of workers decides about the load; no cache, since no picture comes twice.
 */
export function openPixels(manifest: ImageManifest): ImagePixels {
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ["VipsForeignLoad"] });
  const formats = ["Jpeg", "Png", "Webp", "Nsgif", "Tiff", "Heif"];
  sharp.unblock({ operation: formats.map((format) => `VipsForeignLoad${format}`) });
  const scales = pixelScales(manifest);
  return {
    async prepare(file) {
      if (file.byteLength > BYTES_MAX) {
        return { failure: "too-large", detail: `${file.byteLength} bytes, above ${BYTES_MAX}` };
      }
      try {
        const values = new Float32Array(3 * manifest.size * manifest.size);
        layOut(await decode(file, manifest), manifest, scales, values);
        return values;
      } catch (thrown) {
        const detail = thrown instanceof Error ? thrown.message : String(thrown);
        return (await tooLarge(file)) ?? { failure: "undecodable", detail };
      }
    },
  };
}

/** Whether a picture was refused for its size, which is read from its header alone. */
async function tooLarge(file: Uint8Array): Promise<EncodeFailure | undefined> {
  try {
    const { width, height } = await sharp(file, { limitInputPixels: false }).metadata();
    if (width * height <= PIXELS_MAX) return undefined;
    const detail = `${width} x ${height} pixels, above ${PIXELS_MAX}`;
    return { failure: "too-large", detail };
  } catch {
    return undefined;
  }
}

/** 8-bit sRGB, `size * size * 3` bytes, upright, transparency on white, first frame only. */
async function decode(file: Uint8Array, manifest: ImageManifest): Promise<Uint8Array> {
  const { size, resizeTo, fit } = manifest;
  // The bound is held against the header, before anything is decoded.
  let picture = sharp(file, { limitInputPixels: PIXELS_MAX, failOn: "error" })
    .timeout({ seconds: DECODE_SECONDS_MAX })
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb");
  if (fit === "squash") {
    picture = picture.resize(size, size, { fit: "fill" });
  } else {
    // The centre square of the picture, which is what the centre is cut from. Resizing the whole
    // of a 1 x 50,000,000 picture to a short side of 256 would be a bomb.
    const offset = Math.floor((resizeTo - size) / 2);
    picture = picture
      .resize(resizeTo, resizeTo, { fit: "cover", position: "centre" })
      .extract({ left: offset, top: offset, width: size, height: size });
  }
  const { data, info } = await picture
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3 || data.length !== size * size * 3) {
    throw new Error(`decoded to ${info.width} x ${info.height} x ${info.channels}`);
  }
  return data;
}

/** The normalised value of every byte value, by channel: `(byte / 255 - mean) / std`. */
export function pixelScales({ mean, std }: Pick<ImageManifest, "mean" | "std">): Float32Array[] {
  return mean.map((middle, channel) =>
    Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - middle) / std[channel]!),
  );
}

/** Writes the values of one picture, `3 * size * size` of them, to where they belong. */
export function layOut(
  rgb: Uint8Array,
  { size, layout }: Pick<ImageManifest, "size" | "layout">,
  scales: readonly Float32Array[],
  values: Float32Array,
): void {
  const pixels = size * size;
  const planar = layout === "nchw";
  const step = planar ? 1 : 3;
  for (let channel = 0; channel < 3; channel += 1) {
    const scale = scales[channel]!;
    let to = planar ? channel * pixels : channel;
    for (let from = channel; from < 3 * pixels; from += 3) {
      values[to] = scale[rgb[from]!]!;
      to += step;
    }
  }
}
