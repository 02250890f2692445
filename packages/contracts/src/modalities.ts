/** Names of modalities in events, bundles, settings and the product index. */

/** What encoders make of a product's content. */
export const CONTENT_MODALITIES = ["text", "image", "video"] as const;

export type ContentModality = (typeof CONTENT_MODALITIES)[number];

/**
 * The vector that a trainer learns from interactions. Events and bundles have called it "behaviour"
 * from the start, so the value stays. An event speaks of it only where its `modalities` list it.
 */
export const COLLABORATIVE = "behaviour";
