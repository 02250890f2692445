/** Files of small datasets, by name. */

/** The bytes of a `.npy` file of float32. */
export function npy(rows: number, cols: number, values: readonly number[]): Uint8Array {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }\n`;
  const prefix = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0);
  const bytes = new Uint8Array(prefix.length + header.length + 4 * values.length);
  bytes.set(prefix);
  bytes.set(new TextEncoder().encode(header), prefix.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setFloat32(prefix.length + header.length + 4 * i, value, true));
  return bytes;
}

/** Lines of tab-separated columns; ` | ` stands for a tab. */
export function table(header: string, ...rows: readonly string[]): string {
  return [header, ...rows, ""].join("\n").replaceAll(" | ", "\t");
}

const INTER = "user_id:token | item_id_list:token_seq | item_id:token";

/** A RecBole dataset of three users and six products. */
export function sequenceFiles(): Record<string, string> {
  return {
    "tiny.train.inter": table(INTER, "0 | 0 1 | 2", "0 | 0 | 1", "1 | 3 | 4", "2 | 5 | 0"),
    "tiny.valid.inter": table(INTER, "0 | 0 1 2 | 3", "1 | 3 4 | 0", "2 | 5 0 | 1"),
    "tiny.test.inter": table(INTER, "0 | 0 1 2 3 | 4", "1 | 3 4 0 | 5", "2 | 5 0 1 | 2"),
    "tiny.item2index": table("a | 0", "b | 1", "c | 2", "d | 3", "e | 4", "f | 5"),
    "tiny.text": table(
      "item_id:token | text:token_seq",
      ...["a", "b", "c", "d", "e", "f"].map((id) => `${id} | product ${id}`),
    ),
  };
}

/** A dataset of pairs: three users, four products, one modality. */
export function pairFiles(): Record<string, string | Uint8Array> {
  return {
    "train.tsv": table("user | item", "0 | 0", "0 | 1", "1 | 1", "1 | 2", "2 | 0"),
    "valid.tsv": table("user | item", "0 | 2"),
    "test.tsv": table("user | item", "1 | 3", "2 | 1"),
    "image_feat.npy": npy(4, 2, [1, 0, 0, 1, 1, 1, 2, 0.5]),
  };
}
