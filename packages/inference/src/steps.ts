import type { Content, EncodeFailure } from "./encoder.js";

/** What differs between modalities. */
export interface Steps<Row extends ArrayLike<number>> {
  /** A row is what the graph sees of one content: token ids, or pixels. */
  prepare(content: Content): Promise<Row | EncodeFailure>;
  /** Runs rows as one batch; vectors are pooled, not yet normalised. */
  run(rows: readonly Row[]): Promise<Float32Array[]>;
  /** Extent of a row on the axis that is padded. */
  length(row: Row): number;
  /** Rows x longest row of one batch. */
  readonly cellsMax: number;
  /** Two rows that differ in range of values and, where rows may, in length. */
  readonly samples: readonly [Row, Row];
  /** Ends what a preparation still waits for. */
  close?(): void;
}
