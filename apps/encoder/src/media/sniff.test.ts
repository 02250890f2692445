import { describe, expect, test } from "@jest/globals";
import { sniff } from "./sniff.js";

const bytes = (latin1: string): Uint8Array => Buffer.from(latin1, "latin1");
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const JPEG = "\xff\xd8\xff\xe0\0\x10JFIF\0";
const GIF = "GIF89a\x01\0\x01\0";

test.each([
  ["image", "JPEG", JPEG],
  ["image", "PNG", "\x89PNG\r\n\x1a\n"],
  ["image", "GIF", GIF],
  ["image", "GIF", "GIF87a"],
  ["image", "WebP", "RIFF\x01\x02\x03\x04WEBPVP8 "],
  ["image", "TIFF", "II*\0"],
  ["image", "TIFF", "MM\0*"],
  ["image", "HEIF", "\0\0\0\x20ftypavif"],
  ["video", "MP4", "\0\0\0\x20ftypisom"],
  ["video", "MP4", "\0\0\0\x14ftypqt  "],
  ["video", "Matroska", "\x1aE\xdf\xa3"],
  ["video", "AVI", "RIFF\x01\x02\x03\x04AVI LIST"],
])("%s: %s", (kind, format, start) => {
  expect(sniff(bytes(`${start}and more`))).toEqual({ kind, format });
});

test.each([
  "",
  "abc",
  "RIFF\x01\x02\x03\x04WAVE",
  "BM",
  "\0\0\x01\0",
  "\x7fELF",
  "P6 1 1 255",
  "GIF",
])("%p is nothing known", (content) => {
  expect(sniff(bytes(content))).toBeUndefined();
});

describe("active formats are recognised", () => {
  test.each([
    SVG,
    `<?xml version="1.0"?>\n${SVG}`,
    `\xef\xbb\xbf \n\t<!-- GIF89a -->${SVG}`,
    `${" ".repeat(3_000)}${SVG}`,
    "<!DOCTYPE html>",
    "<script>",
    `\xff\xfe${SVG.replaceAll(/./g, "$&\0").slice(0, -1)}\0`,
    `\xfe\xff\0${SVG.replaceAll(/./g, "$&\0").slice(0, -1)}`,
    "\x1f\x8b\x08\0",
    "%PDF-1.7",
    "%!PS-Adobe-3.0 EPSF-3.0",
    "#EXTM3U\n#EXT-X-MEDIA:URI=http://169.254.169.254/",
    "ffconcat version 1.0\nfile /etc/passwd",
    "PK\x03\x04",
    "#!/bin/sh",
  ])("%p", (content) => {
    expect(sniff(bytes(content))).toMatchObject({ kind: "active" });
  });

  test.each([
    ["SVG in a comment of a JPEG", `${JPEG}\xff\xfe\0\x50${SVG}`],
    ["SVG behind a GIF", `${GIF}${"\x01".repeat(100_000)};${SVG}`],
    ["SVG without a script", `${JPEG}${SVG.replace(/<script.*script>/, "")}`],
    ["a script", `${GIF}/*${"x".repeat(5_000)}*/<ScRiPt src=x>`],
    ["HTML", `${JPEG}<HTML><body>`],
    ["an entity that spells the namespace in parts", `${GIF}<!ENTITY ns "http://">`],
    ["PHP", `${GIF}<?php system($_GET[0]);`],
    ["PDF", `${JPEG}\xff\xfe\0\x50%PDF-1.4\n`],
    ["PostScript", `II*\0%!PS-Adobe-3.0`],
    ["SVG in a video", `\0\0\0\x20ftypisom${SVG}`],
    ["a mark at the very end", `${GIF}<html>`],
  ])("two faces: %s", (_, content) => {
    expect(sniff(bytes(content))).toMatchObject({ kind: "active" });
  });
});

test("what cameras and editors write into pictures is no second face", () => {
  const xmp =
    '<?xpacket begin="" id="W5M0"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description pdf:Producer="x"/><htmlish/><scripted/></rdf:RDF></x:xmpmeta>';
  expect(sniff(bytes(`${JPEG}\xff\xe1http://ns.adobe.com/xap/1.0/\0${xmp}100% <3 %PDF`))).toEqual({
    kind: "image",
    format: "JPEG",
  });
});
