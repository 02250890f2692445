import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { existsSync } from "node:fs";

import { afterAll, afterEach, describe, expect, test } from "@jest/globals";

import { checkVideoDecoder, inputArguments, runFfmpeg } from "../src/video/ffmpeg.js";
import { openEncoder } from "../src/open-encoder.js";
import type { Encoder, EncodeResult } from "../src/encoder.js";
import { clip, colours, describeWithFfmpeg, reencoded } from "./clips.js";
import { writeClipEncoder, writeFramesEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders, temporaryFolder } from "@marquetry/testing/folders";
import { createUntil } from "@marquetry/testing/until";

const opened: Encoder[] = [];
const until = createUntil(5_000, 0);

afterAll(removeFolders);

afterEach(async () => {
  await Promise.all(opened.splice(0).map((encoder) => encoder.close()));
});

async function open(directory: string, more: { ffmpeg?: string } = {}): Promise<Encoder> {
  const encoder = await openEncoder({ directory, workers: 1, ...more });
  opened.push(encoder);
  return encoder;
}

async function openFrames(...options: Parameters<typeof writeFramesEncoder>): Promise<Encoder> {
  return open((await writeFramesEncoder(...options)).video);
}

function vector(result: EncodeResult | undefined): number[] {
  if (result === undefined || !("vector" in result)) throw new Error(JSON.stringify(result));
  return Array.from(result.vector);
}

async function encodeOne(encoder: Encoder, file: Uint8Array): Promise<number[]> {
  return vector((await encoder.encode([file]))[0]);
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

/** Red, green and blue (0 or 1, rounded) of each frame that a whole-clip graph saw. */
function seenColours(values: readonly number[], layout: "ncthw" | "ntchw"): string[] {
  const frames = values.length / 3;
  return Array.from({ length: frames }, (_, t) =>
    [0, 1, 2]
      .map((c) => Math.round(values[layout === "ncthw" ? c * frames + t : 3 * t + c]!))
      .join(""),
  );
}

const RED = "100";
const LIME = "010";
const BLUE = "001";
const WHITE = "111";
const FOUR = ["red", "lime", "blue", "white"];
const H264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast"];
const MOVING = "testsrc2=s=320x240:r=25:d=2";

describeWithFfmpeg("videos", () => {
  test("clips of different colours have different vectors, of their own colours", async () => {
    const encoder = await openFrames();
    const files = [
      await clip("color=red:d=1", "mp4", H264),
      await clip("color=blue:d=1", "mp4", H264),
    ];
    const [red, blue] = (await encoder.encode(files)).map(vector);
    expect(cosine(red!, blue!)).toBeLessThan(0.2);
    // Four quarters of each channel in turn.
    expect(red!.map((value) => Math.round(2 * value))).toEqual([
      1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    expect(encoder.encodedTotal()).toBe(2);
  });

  test("frames are read evenly over the whole, in both layouts", async () => {
    const file = await clip(colours(FOUR), "mp4", H264);
    for (const layout of ["ncthw", "ntchw"] as const) {
      const encoder = await open(await writeClipEncoder({ layout }));
      const seen = seenColours(await encodeOne(encoder, file), layout);
      expect(seen).toEqual([RED, LIME, BLUE, WHITE]);
    }
    const two = await open(await writeClipEncoder({ frames: 2, dims: 6 }));
    // The middles of two halves fall on the beginning of the second and the fourth colour.
    expect(seenColours(await encodeOne(two, file), "ncthw")).toEqual([LIME, WHITE]);
  });

  test("a clip with a key frame in each part gives the same frames", async () => {
    const encoder = await open(await writeClipEncoder());
    const file = await clip(colours(FOUR), "mp4", [...H264, "-g", "25"]);
    expect(seenColours(await encodeOne(encoder, file), "ncthw")).toEqual([RED, LIME, BLUE, WHITE]);
  });

  test("a clip of fewer frames than the encoder reads repeats them, evenly", async () => {
    const encoder = await open(await writeClipEncoder());
    const one = await clip("color=lime:r=25:d=0.04", "mp4", H264);
    expect(seenColours(await encodeOne(encoder, one), "ncthw")).toEqual([LIME, LIME, LIME, LIME]);
    const two = await clip(`${colours(["red", "blue"])},fps=1`, "mp4", H264);
    expect(seenColours(await encodeOne(encoder, two), "ncthw")).toEqual([RED, RED, BLUE, BLUE]);
  });

  test("the same clip in another codec, container, rate and quality has nearly the same vector", async () => {
    const encoder = await openFrames({ normalise: true });
    const original = await clip(MOVING, "mp4", H264);
    const expected = await encodeOne(encoder, original);
    const other = await encodeOne(
      encoder,
      await clip("testsrc2=s=320x240:r=25:d=2,hue=h=120", "mp4", H264),
    );
    const apart = cosine(expected, other);
    for (const [extension, options] of [
      ["mp4", [...H264, "-crf", "40", "-r", "15", "-movflags", "+faststart"]],
      ["mp4", [...H264, "-g", "5", "-movflags", "+frag_keyframe+empty_moov"]],
      ["mov", ["-c:v", "mjpeg", "-q:v", "3"]],
      ["webm", ["-c:v", "libvpx", "-cpu-used", "8", "-b:v", "1M"]],
      ["mkv", ["-c:v", "libvpx-vp9", "-cpu-used", "8", "-b:v", "1M"]],
      ["avi", ["-c:v", "mpeg4", "-q:v", "4"]],
    ] as const) {
      const similar = cosine(
        expected,
        await encodeOne(encoder, await reencoded(original, extension, options)),
      );
      expect([extension, similar > 0.995 && similar > apart]).toEqual([extension, true]);
    }
    expect(apart).toBeLessThan(0.995);
  }, 30_000);

  test("a clip's vector is the same alone and among others", async () => {
    const encoder = await openFrames({
      frames: 3,
      pooling: { kind: "attention", temperature: 0.1 },
    });
    const sources = [
      MOVING,
      "mandelbrot=s=160x120:r=5,trim=duration=1",
      ...FOUR.map((c) => `color=${c}:d=1`),
    ];
    const files = await Promise.all(sources.map((source) => clip(source, "mp4", H264)));
    const batched = (await encoder.encode(files)).map(vector);
    for (const [i, file] of files.entries()) {
      expect(largestDifference(await encodeOne(encoder, file), batched[i]!)).toBeLessThan(1e-4);
    }
  }, 20_000);

  test("attention gives a moment unlike the rest of the clip less weight than the mean does", async () => {
    const file = await clip(colours(["red", "red", "red", "blue"]), "mp4", H264);
    const mean = await encodeOne(await openFrames(), file);
    const pooling = { kind: "attention", temperature: 0.1 } as const;
    const attention = await encodeOne(await openFrames({ pooling }), file);
    const blueOf = (values: readonly number[]) => Math.hypot(...values.slice(8));
    expect(blueOf(mean)).toBeCloseTo(0.25, 1);
    expect(blueOf(attention)).toBeLessThan(0.02);
  });

  test("a clip is seen upright and in the shape in which it is shown", async () => {
    const encoder = await openFrames();
    // Red on the left, blue on the right; rotated by 90 degrees when shown.
    const wide = "color=red:s=64x64:d=1[l];color=blue:s=64x64:d=1[r];[l][r]hstack";
    const flat = await clip(wide, "mp4", H264);
    const turned = await reencoded(flat, "mp4", ["-c", "copy", "-metadata:s:v", "rotate=90"]);
    const [redOfFlat, redOfTurned] = (await encoder.encode([flat, turned])).map((result) =>
      vector(result)
        .slice(0, 4)
        .map((value) => Math.round(2 * value)),
    );
    // Top left, top right, bottom left, bottom right.
    expect(redOfFlat).toEqual([1, 0, 1, 0]);
    expect([
      [1, 1, 0, 0],
      [0, 0, 1, 1],
    ]).toContainEqual(redOfTurned);
    // Shown 4 times as wide as it is stored: the centre square is then its middle quarter.
    const squeezed = await clip(
      "color=red:s=64x64:d=1,drawbox=x=24:w=16:h=64:c=blue:t=fill,setsar=4",
      "mp4",
      H264,
    );
    const crop = await openFrames({}, { fit: "crop", resizeTo: 8 });
    const blue = (await encodeOne(crop, squeezed)).slice(8);
    for (const value of blue) expect(value).toBeGreaterThan(0.4);
  });
});

describeWithFfmpeg("videos that are broken or hostile", () => {
  async function failureOf(encoder: Encoder, file: Uint8Array): Promise<string> {
    const [result] = await encoder.encode([file]);
    if (result === undefined || "vector" in result) throw new Error("it has a vector");
    return `${result.failure}: ${result.detail}`;
  }

  test("a cut-off file is undecodable, wherever its index stands", async () => {
    const encoder = await openFrames();
    const moving = await clip(MOVING, "mp4", H264);
    const fast = await reencoded(moving, "mp4", ["-c", "copy", "-movflags", "+faststart"]);
    const webm = await clip(MOVING, "webm", ["-c:v", "libvpx", "-cpu-used", "8"]);
    const avi = await clip(MOVING, "avi", ["-c:v", "mpeg4"]);
    for (const file of [moving, fast, webm, avi]) {
      expect(await failureOf(encoder, file.subarray(0, file.length / 2))).toMatch(
        /^undecodable: cut off: \d+ of \d+ bytes$/,
      );
      expect(vector((await encoder.encode([file]))[0])).toHaveLength(12);
    }
  });

  test("what is no video is undecodable: nothing, noise, sound alone, a picture, an empty index", async () => {
    const encoder = await openFrames();
    const sound = await clip("sine=d=1", "m4a");
    const noise = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 251);
    const picture = await clip("color=red:s=8x8", "png", ["-frames:v", "1"]);
    expect(await failureOf(encoder, new Uint8Array(0))).toBe("undecodable: no bytes");
    expect(await failureOf(encoder, noise)).toMatch(/^undecodable: not an MP4/);
    expect(await failureOf(encoder, picture)).toMatch(/^undecodable: not an MP4/);
    expect(await failureOf(encoder, sound)).toMatch(/^undecodable: .*matches no streams/);
    const moov = Buffer.from("\0\0\0\x08moov", "latin1");
    expect(await failureOf(encoder, moov)).toMatch(/^undecodable: /);
    const garbled = Buffer.from(await clip(MOVING, "mp4", H264));
    garbled.fill(0x5a, 200, garbled.indexOf("moov") - 100);
    expect(await failureOf(encoder, garbled)).toMatch(/^undecodable: /);
  });

  test("a duration that only the header claims changes nothing, a real one is bounded", async () => {
    const encoder = await openFrames();
    const file = await clip(MOVING, "mp4", H264);
    const claiming = Buffer.from(file);
    for (const box of ["mvhd", "tkhd", "mdhd"]) {
      // Durations stand 16, or in `tkhd` 20, bytes behind a version 0 box's flags.
      const at = claiming.indexOf(box) + 4 + (box === "tkhd" ? 20 : 16);
      claiming.writeUInt32BE(0xffff_fff0, at);
    }
    expect(await encodeOne(encoder, claiming)).toEqual(await encodeOne(encoder, file));
    const endless = await clip("color=red:s=16x16:r=1:d=3,setpts=PTS*400", "mkv", [
      "-c:v",
      "mpeg4",
      "-vsync",
      "passthrough",
    ]);
    expect(await failureOf(encoder, endless)).toMatch(/^too-large: \d+\.\d s, above 600$/);
  });

  test("too many pixels are refused before anything is decoded", async () => {
    const encoder = await openFrames();
    const huge = await clip("color=red:s=5000x3000:r=1:d=1", "avi", ["-c:v", "mjpeg"]);
    expect(await failureOf(encoder, huge)).toMatch(/^too-large: .*5000x3000 .* 9437184/);
    // The container says 16 x 16, the stream in it what it said before.
    const lying = Buffer.from(huge);
    for (let at = lying.indexOf("strf"); at !== -1; at = lying.indexOf("strf", at + 1)) {
      lying.writeUInt32LE(16, at + 12);
      lying.writeUInt32LE(16, at + 16);
    }
    expect(await failureOf(encoder, lying)).toMatch(/^(too-large|undecodable): /);
  });

  test("a playlist is not followed: neither known by its bytes nor allowed to open anything", async () => {
    const encoder = await openFrames();
    await using folder = await temporaryFolder();
    const { directory } = folder;
    const secret = join(directory, "secret.mp4");
    await writeFile(secret, await clip("color=red:d=1", "mp4", H264));
    const lists = [
      `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://${secret}\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile 'file:${secret}'\n`,
    ];
    for (const list of lists) {
      expect(await failureOf(encoder, Buffer.from(list))).toMatch(/^undecodable: not an MP4/);
    }
    // The second wall, without the first.
    const trusting = { hls: ["-allowed_extensions", "ALL"], concat: ["-safe", "0"] };
    for (const [i, [demuxer, more]] of Object.entries(trusting).entries()) {
      const result = await runFfmpeg({
        ffmpeg: "ffmpeg",
        arguments: [...inputArguments(demuxer as "mov", more), "-f", "framecrc", "pipe:1"],
        input: [Buffer.from(lists[i]!)],
        outputBytesMax: 1_000_000,
        timeoutMs: 10_000,
      });
      expect(result).toMatchObject({
        failure: "failed",
        detail: expect.stringMatching(/Protocol 'file' not on whitelist 'pipe'/),
      });
    }
  });

  test("a broken video among good ones costs only itself", async () => {
    const encoder = await openFrames();
    const good = await clip("color=red:d=1", "mp4", H264);
    const results = await encoder.encode([good, good.subarray(0, 500), good, new Uint8Array(9)]);
    expect(results.map((result) => "vector" in result)).toEqual([true, false, true, false]);
    expect(encoder.encodedTotal()).toBe(2);
  });
});

describe("the program that decodes", () => {
  test("without it every video fails for want of a decoder, and the encoder is open all the same", async () => {
    const { video } = await writeFramesEncoder();
    const encoder = await open(video, { ffmpeg: "no-such-ffmpeg" });
    const file = Buffer.from("\0\0\0\x08moov\0\0\0\x08mdat", "latin1");
    const [result] = await encoder.encode([file]);
    expect(result).toEqual({ failure: "no-decoder", detail: "no no-such-ffmpeg on this machine" });
    await expect(checkVideoDecoder("no-such-ffmpeg")).rejects.toMatchObject({
      code: "unavailable",
      message: "no decoder: no no-such-ffmpeg on this machine",
    });
  });

  const bounds = { input: [], outputBytesMax: 100, timeoutMs: 10_000 };

  test("it is ended when it takes too long or says too much", async () => {
    const slow = await runFfmpeg({ ...bounds, ffmpeg: "sleep", arguments: ["60"], timeoutMs: 50 });
    expect(slow).toMatchObject({ failure: "time" });
    const loud = await runFfmpeg({ ...bounds, ffmpeg: "yes", arguments: [] });
    expect(loud).toMatchObject({ failure: "output" });
  });

  test("it sees nothing of this process's environment", async () => {
    process.env["MARQUETRY_TEST_SECRET"] = "s3cret";
    const result = await runFfmpeg({ ...bounds, ffmpeg: "env", arguments: [] });
    delete process.env["MARQUETRY_TEST_SECRET"];
    if (!("output" in result)) throw new Error(result.detail);
    expect(Buffer.from(result.output).toString()).toMatch(/^PATH=[^\n]*\n$/);
  });

  test("closing ends one that hangs", async () => {
    await using folder = await temporaryFolder();
    const { directory } = folder;
    const program = join(directory, "hangs");
    await writeFile(program, `#!/bin/sh\necho $$ > ${directory}/pid\nexec sleep 60\n`);
    await chmod(program, 0o755);
    const { video } = await writeFramesEncoder();
    const encoder = await open(video, { ffmpeg: program });
    const call = encoder.encode([Buffer.from("\0\0\0\x08moov", "latin1")]);
    const refused = expect(call).rejects.toMatchObject({ code: "unavailable" });
    await until("it started", () => existsSync(join(directory, "pid")));
    await encoder.close();
    await refused;
    const pid = Number(await readFile(join(directory, "pid"), "utf8"));
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});

const data = process.env["MARQUETRY_DATA_DIR"] ?? join(process.cwd(), "..", "shared", "data");
const luma = join(data, "magento-luma", "luma_model_4s.mp4");
if (!existsSync(luma)) console.warn(`SKIPPED: there is no ${luma}`);

(existsSync(luma) ? describeWithFfmpeg : describe.skip)("a shop's clip", () => {
  test("has the same vector with its index at the end, and a near one re-encoded", async () => {
    const encoder = await openFrames({ frames: 8, normalise: true }, { fit: "crop", resizeTo: 10 });
    const file = await readFile(luma);
    const late = await reencoded(file, "mp4", ["-map", "0:v", "-c", "copy"]);
    expect(late.indexOf("moov")).toBeGreaterThan(late.indexOf("mdat") + 1_000_000);
    const small = await reencoded(file, "webm", [
      "-an",
      "-vf",
      "scale=480:-2",
      "-c:v",
      "libvpx",
      "-cpu-used",
      "8",
      "-b:v",
      "500k",
    ]);
    const [original, moved, other] = (await encoder.encode([file, late, small])).map(vector);
    expect(largestDifference(original!, moved!)).toBeLessThan(1e-4);
    expect(cosine(original!, other!)).toBeGreaterThan(0.999);
  }, 60_000);
});
