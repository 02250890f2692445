/** What a sequence model's ONNX graph takes and gives, by the names in it. */

/** `vectors` [N, L, d], oldest first, with zeros before the oldest; `present` [N, L], 1 or 0. */
export const SEQUENCE_INPUTS = { vectors: "vectors", present: "present" } as const;
/** [N, d]. */
export const SEQUENCE_OUTPUT = "interest";
