import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { MarquetryError } from "@marquetry/runtime/errors";
import kafkajs from "kafkajs";
import snappy from "kafkajs-snappy";
import { decompressLz4Frame } from "./lz4.js";

/** No batch is unpacked to more than this; the default of a broker's request is 100 MiB. */
const UNPACKED_BYTES_MAX = 128 * 1024 * 1024;

/** kafkajs knows only gzip by itself; producers in other languages send all five. */
export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  const compress = promisify(zstdCompress);
  const decompress = promisify(zstdDecompress);
  CompressionCodecs[CompressionTypes.Snappy] = snappy;
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => await compress(buffer),
    decompress: async (buffer: Buffer) =>
      await decompress(buffer, { maxOutputLength: UNPACKED_BYTES_MAX }),
  });
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: () => Promise.reject(new MarquetryError("internal", "LZ4 is only read here")),
    decompress: async (buffer: Buffer) => decompressLz4Frame(buffer, UNPACKED_BYTES_MAX),
  });
}
