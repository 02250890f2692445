/** PNG files byte by byte, those too that no library writes. */
import { crc32, deflateSync } from "node:zlib";

/** Colour types of the header. */
export const GREYSCALE = 0;
export const TRUE_COLOUR = 2;
export const TRUE_COLOUR_WITH_ALPHA = 6;

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. Default: 8. */
  readonly depth?: number;
  /** Default: TRUE_COLOUR. */
  readonly colourType?: number;
}

/** A file of that header and these scan lines, each with its filter byte first. They need not fit it. */
export function png(header: PngHeader, lines: Uint8Array): Buffer<ArrayBuffer> {
  const { width, height, depth = 8, colourType = TRUE_COLOUR } = header;
  const fields = Buffer.alloc(13);
  fields.writeUInt32BE(width, 0);
  fields.writeUInt32BE(height, 4);
  fields.set([depth, colourType], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", fields),
    chunk("IDAT", deflateSync(lines)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A square of one colour. */
export function squarePng(side: number, rgb: readonly number[]): Buffer<ArrayBuffer> {
  const line = Buffer.from([0, ...Array.from({ length: side }, () => rgb).flat()]);
  return png(
    { width: side, height: side },
    Buffer.concat(Array.from({ length: side }, () => line)),
  );
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
