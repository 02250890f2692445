/** What `npm run demo -- --once --json` prints. */
export interface DemoDocument {
  readonly catalogue: { readonly source: string; readonly products: number };
  readonly encoders: Readonly<Record<string, { readonly id: string; readonly dims: number }>>;
  readonly bundle: string;
  readonly shoppers: readonly ShownShopper[];
  /** Milliseconds. */
  readonly timings: Readonly<Record<string, number>>;
}

export interface ShownShopper {
  readonly id: string;
  readonly history: readonly {
    readonly product_id: string;
    readonly title: string;
    readonly action: string;
  }[];
  readonly recommendations: readonly {
    readonly product_id: string;
    readonly title: string;
    readonly score: number;
    readonly parts: {
      readonly similarity: number;
      readonly popularity: number;
      readonly freshness: number;
    };
  }[];
}
