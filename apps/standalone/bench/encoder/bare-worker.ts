/** What a program does that needs nothing but vectors: ONNX Runtime in a loop on one thread. Session and
 * pictures are set up as the service does it, since that is not what is compared. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { Tokenizer } from "@huggingface/tokenizers";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";

export interface BareStart {
  readonly directory: string;
}

export interface BareTask {
  /** Where the contents stand among all. */
  readonly start: number;
  readonly contents: readonly string[];
}

export interface BareAnswer {
  readonly start: number;
  readonly vectors: readonly Float32Array[];
}

interface Manifest {
  readonly modality: "text" | "image";
  readonly file: string;
  readonly output: string;
  readonly dims: number;
  readonly tokenizer: string;
  readonly tokensMax: number;
  readonly inputs: { inputIds: string; attentionMask: string; tokenTypeIds: string };
  readonly input: string;
  readonly size: number;
  readonly resizeTo: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const port = parentPort!;
const { directory } = workerData as BareStart;
const manifest = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as Manifest;
const session = await InferenceSession.create(join(directory, manifest.file), {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: "sequential",
  enableMemPattern: false,
  enableCpuMemArena: true,
  logSeverityLevel: 4,
});
sharp.cache(false);
sharp.concurrency(1);
const tokenizer =
  manifest.modality === "text"
    ? new Tokenizer(JSON.parse(readFileSync(join(directory, manifest.tokenizer), "utf8")), {})
    : undefined;

async function encodeText(content: string): Promise<Float32Array> {
  const { inputs, output, dims, tokensMax } = manifest;
  const all: number[] = tokenizer!.encode(content).ids;
  const ids = all.length <= tokensMax ? all : [...all.slice(0, tokensMax - 1), all.at(-1)!];
  const shape = [1, ids.length];
  const feeds = {
    [inputs.inputIds]: new Tensor("int64", BigInt64Array.from(ids, BigInt), shape),
    [inputs.attentionMask]: new Tensor("int64", new BigInt64Array(ids.length).fill(1n), shape),
    [inputs.tokenTypeIds]: new Tensor("int64", new BigInt64Array(ids.length), shape),
  };
  const states = (await session.run(feeds))[output]!.data as Float32Array;
  const vector = new Float32Array(dims);
  for (let t = 0; t < ids.length; t += 1)
    for (let d = 0; d < dims; d += 1) vector[d]! += states[t * dims + d]!;
  return unit(vector);
}

async function pixels(path: string): Promise<Float32Array> {
  const { size, resizeTo, mean, std } = manifest;
  const offset = Math.floor((resizeTo - size) / 2);
  const rgb = await sharp(await readFile(path))
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .resize(resizeTo, resizeTo, { fit: "cover", position: "centre" })
    .extract({ left: offset, top: offset, width: size, height: size })
    .raw()
    .toBuffer();
  const plane = size * size;
  const values = new Float32Array(3 * plane);
  for (let c = 0; c < 3; c += 1) {
    const scale = 1 / (255 * std[c]!);
    const shift = mean[c]! / std[c]!;
    for (let i = 0; i < plane; i += 1) values[c * plane + i] = rgb[3 * i + c]! * scale - shift;
  }
  return values;
}

async function encodePictures(paths: readonly string[]): Promise<Float32Array[]> {
  const { input, output, dims, size } = manifest;
  const pictures = await Promise.all(paths.map(pixels));
  const data = new Float32Array(pictures.length * 3 * size * size);
  for (const [i, picture] of pictures.entries()) data.set(picture, i * picture.length);
  const feeds = { [input]: new Tensor("float32", data, [pictures.length, 3, size, size]) };
  const vectors = (await session.run(feeds))[output]!.data as Float32Array;
  return pictures.map((_, i) => unit(vectors.slice(i * dims, (i + 1) * dims)));
}

function unit(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return vector.map((value) => value / Math.sqrt(sum));
}

async function answer({ start, contents }: BareTask): Promise<void> {
  const vectors: Float32Array[] = [];
  if (manifest.modality === "image") vectors.push(...(await encodePictures(contents)));
  else for (const content of contents) vectors.push(await encodeText(content));
  const message: BareAnswer = { start, vectors };
  port.postMessage(message, []);
}

port.on("message", (message: BareTask | "close") => {
  if (message === "close") void session.release().finally(() => port.close());
  else void answer(message);
});
port.postMessage("ready", []);
