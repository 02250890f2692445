/** Names of modalities in events, bundles and the product index. */

/**
 * The vector that a trainer learns from interactions, beside what encoders make of the content.
 * Events and bundles have called it "behaviour" from the start, so the value stays. An event speaks of it only where its `modalities` list it.
 */
export const COLLABORATIVE = "behaviour";
