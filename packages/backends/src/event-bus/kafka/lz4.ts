/**
 * Reads LZ4 frames, which producers in other languages send. Only reading: nothing here writes
 * LZ4, and no maintained pure JavaScript codec was found to lean on. Checksums are skipped, since
 * Kafka guards a batch by its own CRC.
 *
 * Source: LZ4 Frame Format 1.6.4 and LZ4 Block Format of the lz4 project.
 */
const FRAME_MAGIC = 0x184d2204;
const MATCH_BYTES_MIN = 4;

/**
 * @param bytesMax bound on the output, so that a crafted frame cannot exhaust memory
 * @throws RangeError for a frame that is damaged or over the bound
 */
export function decompressLz4Frame(frame: Uint8Array, bytesMax: number): Buffer {
  const input = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (input.length < 7 || input.readUInt32LE(0) !== FRAME_MAGIC) throw damaged("no frame header");
  const flags = input.readUInt8(4);
  if (flags >> 6 !== 1) throw damaged("unknown version");
  const blockChecksumBytes = flags & 0x10 ? 4 : 0;
  const contentSizeBytes = flags & 0x08 ? 8 : 0;
  const dictionaryIdBytes = flags & 0x01 ? 4 : 0;
  const output = new Output(bytesMax);

  let at = 7 + contentSizeBytes + dictionaryIdBytes;
  while (true) {
    const sizeAndFlag = input.readUInt32LE(at);
    at += 4;
    if (sizeAndFlag === 0) return output.bytes();
    const size = sizeAndFlag & 0x7fffffff;
    if (at + size > input.length) throw damaged("a block is cut short");
    const block = input.subarray(at, at + size);
    if (sizeAndFlag >>> 31 === 1) output.append(block);
    else decompressBlock(block, output);
    at += size + blockChecksumBytes;
  }
}

function decompressBlock(block: Buffer, output: Output): void {
  let at = 0;
  function length(nibble: number): number {
    let total = nibble;
    if (nibble < 15) return total;
    for (let more = 255; more === 255;) {
      more = block.readUInt8(at);
      at += 1;
      total += more;
    }
    return total;
  }

  while (at < block.length) {
    const token = block.readUInt8(at);
    at += 1;
    const literals = length(token >> 4);
    if (at + literals > block.length) throw damaged("literals are cut short");
    output.append(block.subarray(at, at + literals));
    at += literals;
    if (at === block.length) return; // the last sequence has no match
    const distance = block.readUInt16LE(at);
    at += 2;
    output.repeat(distance, length(token & 15) + MATCH_BYTES_MIN);
  }
}

/** The output so far; matches may reach back over block borders. */
class Output {
  private buffer = Buffer.alloc(65_536);
  private length = 0;

  constructor(private readonly bytesMax: number) {}

  append(bytes: Buffer): void {
    this.reserve(bytes.length);
    bytes.copy(this.buffer, this.length);
    this.length += bytes.length;
  }

  /** A match longer than its distance repeats itself, so each round copies what the last one added. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.length) throw damaged("a match before the beginning");
    this.reserve(count);
    const start = this.length - distance;
    const end = this.length + count;
    while (this.length < end) {
      const bytes = Math.min(this.length - start, end - this.length);
      this.buffer.copyWithin(this.length, start, start + bytes);
      this.length += bytes;
    }
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed > this.bytesMax) throw damaged(`more than ${this.bytesMax} bytes`);
    if (needed <= this.buffer.length) return;
    const larger = Buffer.alloc(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}

function damaged(reason: string): RangeError {
  return new RangeError(`LZ4 frame: ${reason}`);
}
