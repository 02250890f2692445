/**
 * The system's ffmpeg on a video that anyone may have made. It reads the bytes from its standard
 * input and may open nothing else: the protocols are `pipe` alone, the demuxer is pinned to what the
 * bytes are (a playlist is none of these), decoders are those that shops' videos need. It gets no
 * environment beyond a search path, one thread, and an end: in time, in pixels, in bytes of output.
 */
import { spawn } from "node:child_process";

import { MarquetryError } from "@marquetry/runtime/errors";
import type { Container } from "./container.js";

export type FfmpegResult =
  | { readonly output: Uint8Array }
  /** `missing`: there is no such program. `output`: more bytes than allowed. `failed`: its words. */
  | { readonly failure: "missing" | "time" | "output" | "failed"; readonly detail: string };

export interface FfmpegRun {
  /** Name or path of the program. */
  readonly ffmpeg: string;
  readonly arguments: readonly string[];
  readonly input: readonly Uint8Array[];
  readonly outputBytesMax: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Pixels of one frame: a little more than 4K. Also bounds what a decoder allocates. */
export const FRAME_PIXELS_MAX = 4_096 * 2_304;
const ALLOCATION_BYTES_MAX = 256 * 1024 * 1024;
const DECODERS = "h264,hevc,vp8,vp9,av1,libdav1d,libaom-av1,mpeg4,mjpeg";
/** Secrets stand in this process's environment, and ffmpeg has no business with them. */
const ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin" };
const WORDS_MAX = 4_096;

/** What stands before every `-i`. */
export function inputArguments(
  demuxer: Extract<Container, { demuxer: string }>["demuxer"],
  more: readonly string[] = [],
): string[] {
  const bounds = `-max_alloc ${ALLOCATION_BYTES_MAX} -max_pixels ${FRAME_PIXELS_MAX} -threads 1`;
  const walls = `-protocol_whitelist pipe -format_whitelist ${demuxer} -codec_whitelist ${DECODERS}`;
  // Timestamps as they stand in the file, in every run the same.
  const input = `-f ${demuxer} -copyts`;
  const before = `-v error -nostdin -xerror ${bounds} ${walls} ${input}`.split(" ");
  return [...before, ...more, "-i", "pipe:0"];
}

/** Runs ffmpeg to its end or, at a bound, to a sudden one. Never rejects. */
export function runFfmpeg(run: FfmpegRun): Promise<FfmpegResult> {
  return new Promise((resolve) => {
    const child = spawn(run.ffmpeg, [...run.arguments], {
      env: ENVIRONMENT,
      stdio: ["pipe", "pipe", "pipe"],
      killSignal: "SIGKILL",
      ...(run.signal && { signal: run.signal }),
    });
    const output: Uint8Array[] = [];
    let length = 0;
    let words = "";
    let early: FfmpegResult | undefined;
    // Not the option of `spawn`: its timer outlives a program that never started.
    const deadline = setTimeout(() => {
      early ??= { failure: "time", detail: `took more than ${run.timeoutMs} ms` };
      child.kill("SIGKILL");
    }, run.timeoutMs);
    const end = (result: FfmpegResult): void => {
      clearTimeout(deadline);
      resolve(result);
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT" || error.code === "EACCES";
      const detail = missing ? `no ${run.ffmpeg} on this machine` : error.message;
      early ??= { failure: missing ? "missing" : "failed", detail };
      if (child.pid === undefined) end(early);
    });
    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= run.outputBytesMax) {
        output.push(chunk);
      } else {
        early ??= { failure: "output", detail: `more than ${run.outputBytesMax} bytes of output` };
        child.kill("SIGKILL");
      }
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      if (words.length < WORDS_MAX) words += chunk;
    });
    child.on("close", (status) => {
      if (early !== undefined) return end(early);
      if (status === 0) return end({ output: Buffer.concat(output) });
      end({ failure: "failed", detail: wordsOf(words) || `ffmpeg ended with ${status}` });
    });
    // It has what it wants before the end of the input, or has ended: no mistake either way.
    child.stdin.on("error", () => {});
    for (const part of run.input) child.stdin.write(part);
    child.stdin.end();
  });
}

/** The first line, without the addresses of memory that differ from run to run. That the decoder of
 * the sound is not allowed counts only where there is no other line. */
function wordsOf(words: string): string {
  const lines = words.replaceAll(/ @ 0x[0-9a-f]+/g, "").split("\n");
  const line = lines.find(
    (each) => each !== "" && !/^(\[.*\] )?Codec .* not on whitelist|message repeated/.test(each),
  );
  return (line ?? lines[0] ?? "").trim();
}

/**
 * Whether videos can be decoded here, that is, whether there is an ffmpeg that starts.
 * @throws MarquetryError `unavailable` that says what is wrong
 */
export async function checkVideoDecoder(ffmpeg: string): Promise<void> {
  const result = await runFfmpeg({
    ffmpeg,
    arguments: ["-v", "error", "-version"],
    input: [],
    outputBytesMax: 65_536,
    timeoutMs: 5_000,
  });
  if (!("failure" in result)) return;
  throw new MarquetryError("unavailable", `no decoder: ${result.detail}`);
}
