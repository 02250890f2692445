/** NumPy's `.npy` files (numpy.lib.format): little-endian float16, 32 or 64, two sides, C order. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { badInput } from "./bad-input.js";

const READERS: Readonly<
  Record<string, { bytes: number; read: (view: DataView, at: number) => number }>
> = {
  "<f2": { bytes: 2, read: (view, at) => view.getFloat16(at, true) },
  "<f4": { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  "<f8": { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

/**
 * @param file what messages call the bytes
 * @returns shape [rows, cols], rounded to float32
 * @throws MarquetryError `invalid` that names the file and what was expected of it
 */
export function decodeNpy(bytes: Uint8Array, file: string): Matrix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(...bytes.subarray(1, 6));
  if (bytes.length < 12 || bytes[0] !== 0x93 || magic !== "NUMPY") {
    throw badInput(file, undefined, "expected a NumPy array file (.npy)");
  }
  const wide = bytes[6]! >= 2;
  const start = wide ? 12 : 10;
  const headerBytes = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(start, start + headerBytes));
  const type = /'descr': '([^']*)'/.exec(header)?.[1] ?? "none";
  const reader = READERS[type];
  if (reader === undefined) {
    throw badInput(file, undefined, `expected float16, float32 or float64 (<f), got type ${type}`);
  }
  const sides = /'shape': \((\d+), (\d+)\)/.exec(header)?.slice(1).map(Number);
  if (sides === undefined || header.includes("'fortran_order': True")) {
    throw badInput(file, undefined, "expected a matrix in C order: one row per product");
  }
  const [rows, cols] = sides as [number, number];
  const dataAt = start + headerBytes;
  if (bytes.length - dataAt !== rows * cols * reader.bytes) {
    throw badInput(
      file,
      undefined,
      `expected ${rows * cols * reader.bytes} bytes for ${rows} x ${cols}, got ${bytes.length - dataAt}`,
    );
  }
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < data.length; i += 1) data[i] = reader.read(view, dataAt + i * reader.bytes);
  return matrix(rows, cols, data);
}
