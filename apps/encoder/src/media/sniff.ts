/** What bytes are by themselves, whatever a header, a file name or a URL says of them. */
import type { MediaKind } from "./limits.js";

/** `active`: a format that can do more than show pixels, or hides what it is. */
export interface Sniffed {
  readonly kind: MediaKind | "active";
  readonly format: string;
}

/** `undefined` where it is nothing that is known. */
export function sniff(bytes: Uint8Array): Sniffed | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = buffer.toString("latin1", 0, HEAD_BYTES);
  // Byte order marks, white space and the zeros of UTF-16 may stand before markup.
  const text = head.replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*/, "").toLowerCase();
  const active = ACTIVE.find(([, start]) => text.startsWith(start));
  if (active !== undefined) return { kind: "active", format: active[0] };
  const sniffed = passive(head);
  const hidden = sniffed && hiddenIn(buffer);
  if (hidden === undefined) return sniffed;
  return { kind: "active", format: `${sniffed?.format} and ${hidden}` };
}

const HEAD_BYTES = 4_096;

const ACTIVE: readonly (readonly [format: string, start: string])[] = [
  ["markup (SVG, XML, HTML)", "<"],
  ["PDF", "%pdf-"],
  ["PostScript", "%!"],
  ["PostScript", "\x04%!"],
  // A decoder would fetch what it lists.
  ["a playlist", "#extm3u"],
  ["a playlist", "ffconcat"],
  ["a script", "#!"],
  ["gzip", "\x1f\x8b"],
  ["an archive", "pk\x03\x04"],
];

const PASSIVE: readonly (readonly [MediaKind, format: string, start: string])[] = [
  ["image", "JPEG", "\xff\xd8\xff"],
  ["image", "PNG", "\x89PNG\r\n\x1a\n"],
  ["image", "GIF", "GIF87a"],
  ["image", "GIF", "GIF89a"],
  ["image", "TIFF", "II*\0"],
  ["image", "TIFF", "MM\0*"],
  ["video", "Matroska", "\x1aE\xdf\xa3"],
];

const HEIF_BRANDS = new Set(["avif", "avis", "mif1", "msf1", "heic", "heix", "hevc", "hevx"]);

function passive(head: string): Sniffed | undefined {
  const known = PASSIVE.find(([, , start]) => head.startsWith(start));
  if (known !== undefined) return { kind: known[0], format: known[1] };
  const brand = head.slice(8, 12);
  if (head.startsWith("RIFF") && brand === "WEBP") return { kind: "image", format: "WebP" };
  if (head.startsWith("RIFF") && brand === "AVI ") return { kind: "video", format: "AVI" };
  if (!head.startsWith("ftyp", 4)) return undefined;
  if (HEIF_BRANDS.has(brand)) return { kind: "image", format: "HEIF" };
  return { kind: "video", format: "MP4" };
}

const SVG = "http://www.w3.org/2000/svg";
const LESS_THAN = 0x3c;
const PER_CENT = 0x25;
const MARKUP = /^<(?:(?:script|html)[\s>/]|!(?:doctype|entity)\s|\?php\s)/i;
const DOCUMENT = /^%(?:PDF-\d\.\d|!PS-Adobe)/;

/**
 * What else a file of two faces is. The marks are long enough to come up by chance in less than one
 * of ten million photographs; no mark stands for SVG but its namespace, since its tag is too short.
 */
function hiddenIn(buffer: Buffer): string | undefined {
  if (buffer.includes(SVG, 0, "latin1")) return "SVG";
  if (holds(buffer, LESS_THAN, MARKUP)) return "markup";
  if (holds(buffer, PER_CENT, DOCUMENT)) return "a document";
  return undefined;
}

/** What may follow `<` or `%` in a mark; looked at first, since a text of each place takes time. */
const SECOND = new Set(Buffer.from("sShH!?P"));

function holds(buffer: Buffer, first: number, mark: RegExp): boolean {
  for (let at = buffer.indexOf(first); at !== -1; at = buffer.indexOf(first, at + 1)) {
    const second = buffer[at + 1];
    if (second === undefined || !SECOND.has(second)) continue;
    if (mark.test(buffer.toString("latin1", at, at + 12))) return true;
  }
  return false;
}
