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

/** The document for people. */
export function formatDocument({
  catalogue,
  encoders,
  bundle,
  shoppers,
  timings,
}: DemoDocument): string {
  const lines = [
    "",
    `${catalogue.products} products, ${Object.values(encoders)
      .map(({ id, dims }) => `${id} (${dims}-d)`)
      .join(" + ")}, bundle ${bundle}`,
  ];
  for (const { id, history, recommendations } of shoppers) {
    lines.push("", `${id} did:`);
    for (const { action, title } of history) lines.push(`  ${action.padEnd(12)} ${title}`);
    lines.push(
      `${id} gets:${" ".repeat(40 - id.length)} score = similarity + popularity + freshness`,
    );
    for (const { title, score, parts } of recommendations) {
      const numbers = [score, parts.similarity, parts.popularity, parts.freshness].map((part) =>
        part.toFixed(3),
      );
      lines.push(
        `  ${title.slice(0, 44).padEnd(44)} ${numbers[0]} = ${numbers.slice(1).join(" + ")}`,
      );
    }
  }
  const spent = Object.entries(timings).map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`);
  return `${lines.join("\n")}\n\n${spent.join(", ")}\n`;
}
