/** From a video file, which anyone may have made, to a few frames spread evenly over it. */
import type { EncodeFailure } from "../encoder.js";
import { FRAME_PIXELS_MAX, inputArguments, runFfmpeg } from "./ffmpeg.js";
import type { FfmpegResult } from "./ffmpeg.js";
import { readContainer } from "./container.js";
import type { Container } from "./container.js";

const BYTES_MAX = 64 * 1024 * 1024;
const SECONDS_MAX = 600;
/** 10 minutes at 60 frames a second; one line of the listing is about 60 characters. */
const PACKETS_MAX = 36_000;
const LISTING_BYTES_MAX = 100 * PACKETS_MAX;
const LISTING_MS_MAX = 10_000;
const DECODE_MS_MAX = 30_000;

export interface FramePlan {
  readonly frames: number;
  readonly size: number;
  readonly fit: "crop" | "squash";
  readonly resizeTo: number;
}

export interface FrameSampler {
  /** Exactly `plan.frames` frames of `size * size * 3` bytes, one after the other, upright. */
  sample(file: Uint8Array, plan: FramePlan): Promise<Uint8Array | EncodeFailure>;
  /** Ends what runs. */
  close(): void;
}

export function openFrames(ffmpeg: string): FrameSampler {
  const closing = new AbortController();
  return {
    async sample(file, plan) {
      if (file.byteLength > BYTES_MAX) {
        return { failure: "too-large", detail: `${file.byteLength} bytes, above ${BYTES_MAX}` };
      }
      const container = readContainer(file);
      if ("problem" in container) return { failure: "undecodable", detail: container.problem };
      const { signal } = closing;
      const listing = await runFfmpeg({
        ffmpeg,
        arguments: [...inputArguments(container.demuxer), ...LISTING_ARGUMENTS],
        input: container.chunks,
        outputBytesMax: LISTING_BYTES_MAX,
        timeoutMs: LISTING_MS_MAX,
        signal,
      });
      if ("failure" in listing) return failure(listing);
      const timeline = readListing(new TextDecoder().decode(listing.output));
      if ("failure" in timeline) return timeline;
      const frameBytes = plan.size * plan.size * 3;
      const decoded = await runFfmpeg({
        ffmpeg,
        arguments: decodeArguments(container, timeline, plan),
        input: container.chunks,
        outputBytesMax: plan.frames * frameBytes,
        timeoutMs: DECODE_MS_MAX,
        signal,
      });
      if ("failure" in decoded) return failure(decoded);
      return spread(decoded.output, frameBytes, plan.frames);
    },
    close: () => closing.abort(),
  };
}

/** One line per packet of the first video stream that is no cover picture; nothing is decoded. */
const LISTING_ARGUMENTS = ["-map", "0:V:0", "-c", "copy", "-f", "framecrc", "pipe:1"];

/** When frames are shown, in seconds, whatever the file's header claims about its duration. */
interface Timeline {
  readonly start: number;
  readonly seconds: number;
  readonly frames: number;
  /** Starts of the frames that are decodable by themselves. */
  readonly keys: readonly number[];
}

const UNKNOWN_TIME = "-9223372036854775808";

/** Reads lines of `stream, decoded at, shown at, duration, size, digest[, F=flags]`, in units of the
 * `#tb` line; the flag of lowest value marks a key frame, and no flags stand for that alone. */
function readListing(listing: string): Timeline | EncodeFailure {
  const [, numerator, denominator] = /^#tb 0: (\d+)\/(\d+)$/m.exec(listing) ?? [];
  const [, width, height] = /^#dimensions 0: (\d+)x(\d+)$/m.exec(listing) ?? [];
  const unit = Number(numerator) / Number(denominator);
  if (Number(width) * Number(height) > FRAME_PIXELS_MAX) {
    const detail = `${width} x ${height} pixels, above ${FRAME_PIXELS_MAX}`;
    return { failure: "too-large", detail };
  }
  let [start, end, frames] = [Infinity, -Infinity, 0];
  const keys: number[] = [];
  for (const line of listing.split("\n")) {
    if (line.startsWith("#") || line === "") continue;
    const [, decodedAt, shownAt, duration, , , flags] = line
      .split(",")
      .map((field) => field.trim());
    const at = Number(shownAt === UNKNOWN_TIME ? decodedAt : shownAt) * unit;
    if (flags === undefined || (Number(flags.slice(2)) & 1) === 1) keys.push(at);
    start = Math.min(start, at);
    end = Math.max(end, at + Number(duration) * unit);
    frames += 1;
  }
  if (frames === 0) return { failure: "undecodable", detail: "no frames" };
  const seconds = end - start;
  if (!Number.isFinite(seconds)) return { failure: "undecodable", detail: "no times of frames" };
  if (frames > PACKETS_MAX) return { failure: "too-large", detail: `${frames} frames` };
  if (seconds > SECONDS_MAX) {
    return { failure: "too-large", detail: `${seconds.toFixed(1)} s, above ${SECONDS_MAX}` };
  }
  return { start, seconds, frames, keys };
}

/**
 * The duration is cut into as many equal sections as the plan has frames, and the frame at the middle
 * of each section is read. Where every section has a key frame, those are read instead: the others
 * need not be decoded then, so that a long clip costs nearly nothing.
 */
function decodeArguments(
  container: Extract<Container, { demuxer: string }>,
  { start, seconds, frames, keys }: Timeline,
  plan: FramePlan,
): string[] {
  const section = seconds / plan.frames;
  const withKey = new Set(keys.map((at) => Math.floor((at - start) / section)));
  const onlyKeys = Array.from({ length: plan.frames }, (_, i) => i).every((i) => withKey.has(i));
  const origin = onlyKeys ? start : start + section / 2;
  const sectionOf = (t: string) => `floor((${t}-(${origin}))/${section})`;
  // The first frame of each section, counted from the origin.
  const select =
    `gte(t,${origin})*` +
    `(isnan(prev_selected_t)+gt(${sectionOf("t")},${sectionOf("prev_selected_t")}))`;
  const filters = [
    ...(frames > plan.frames ? [`select='${select}'`] : []),
    ...shapeFilters(plan),
    "format=rgb24",
  ];
  const output = `-vsync passthrough -frames:v ${plan.frames} -f rawvideo pipe:1`;
  return [
    ...inputArguments(container.demuxer, onlyKeys ? ["-skip_frame", "nokey"] : []),
    ..."-map 0:V:0 -filter_threads 1 -vf".split(" "),
    filters.join(","),
    ...output.split(" "),
  ];
}

/** As for pictures; `sar` is the shape of a pixel, which need not be square in a video. */
function shapeFilters({ size, fit, resizeTo }: FramePlan): string[] {
  const scaling = "flags=lanczos+accurate_rnd+full_chroma_int";
  if (fit === "squash") return [`scale=${size}:${size}:${scaling}`];
  return [
    "crop='max(1,min(iw,ih/sar))':'max(1,min(ih,iw*sar))'",
    `scale=${resizeTo}:${resizeTo}:${scaling}`,
    `crop=${size}:${size}`,
  ];
}

/** A clip may have fewer frames than the plan: each then stands for as many as it lasts. */
function spread(raw: Uint8Array, frameBytes: number, frames: number): Uint8Array | EncodeFailure {
  const there = Math.floor(raw.length / frameBytes);
  if (there === 0) return { failure: "undecodable", detail: "no frame could be decoded" };
  if (there === frames) return raw;
  const whole = new Uint8Array(frames * frameBytes);
  for (let i = 0; i < frames; i += 1) {
    const from = Math.floor((i * there) / frames);
    whole.set(raw.subarray(from * frameBytes, (from + 1) * frameBytes), i * frameBytes);
  }
  return whole;
}

function failure(result: Extract<FfmpegResult, { failure: string }>): EncodeFailure {
  const { detail } = result;
  if (result.failure === "missing") return { failure: "no-decoder", detail };
  if (result.failure === "time") return { failure: "timeout", detail };
  const large = result.failure !== "failed" || /exceeds specified max pixel count/.test(detail);
  return { failure: large ? "too-large" : "undecodable", detail };
}
