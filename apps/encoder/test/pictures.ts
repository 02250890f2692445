/** A GIF of one pixel: the smallest picture that the image encoder decodes. */
export function pixel(red: number, green: number, blue: number): Uint8Array {
  const header = Buffer.from("GIF89a", "latin1");
  const screen = [1, 0, 1, 0, 0x80, 0, 0];
  const colours = [red, green, blue, 0, 0, 0];
  const image = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b];
  return Buffer.concat([header, Uint8Array.from([...screen, ...colours, ...image])]);
}

export function dataUrl(bytes: Uint8Array): string {
  return `data:image/gif;base64,${Buffer.from(bytes).toString("base64")}`;
}
