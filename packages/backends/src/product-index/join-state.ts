/**
 * What a point says of its own making. Fusion writes it and reads it back to join the embeddings of
 * a product; everybody else shows or ignores it.
 */
export interface JoinState {
  /** Encoder and content digest by modality. */
  readonly encoders: Readonly<
    Record<string, { readonly encoder: string; readonly digest: string }>
  >;
  /**
   * Of all that the point was made from: equal points have equal versions, others differ (to 1e-16).
   * A whole number above 0; points of before 0.2 have none.
   */
  readonly version?: number;
  /** By modality, where they are not all as of `revision` or somebody must know later. */
  readonly outcomes?: Readonly<Record<string, ModalityOutcome>>;
  /** The last removal, as long as something that it removes could still arrive. */
  readonly removedRevision?: number;
}

/** What is known of one modality of a product, and as of which revision. */
export interface ModalityOutcome {
  readonly revision: number;
  /** `imputed`: its vector is a guess, until there is one. */
  readonly outcome: "encoded" | "imputed" | "failed" | "absent";
  /** Of one with a vector. */
  readonly encoder?: string;
  readonly digest?: string;
  /** Digest of the vector's bytes, 53 bits. */
  readonly vectorDigest?: number;
}
