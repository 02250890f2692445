/*
 * Keys, all of one bundle under one prefix and the braces around what Redis Cluster hashes:
 *   marquetry:<bundle>:{<user>}                       hash: h history, i interests, v version,
 *                                                     o<partition> last offset applied
 *   marquetry:<bundle>:{popularity:<bundle>}:scores   sorted set of negated scores
 *   marquetry:<bundle>:{popularity:<bundle>}:state    hash: landmark, halfLife, o<partition>
 */

/** With what every key of a bundle begins. */
export function keyPrefix(bundleId: string): string {
  return `marquetry:${keyPart(bundleId)}:`;
}

export function userKey(bundleId: string, userId: string): string {
  return `${keyPrefix(bundleId)}{${keyPart(userId)}}`;
}

export function popularityKeys(bundleId: string): {
  readonly scores: string;
  readonly state: string;
} {
  const tagged = `${keyPrefix(bundleId)}{popularity:${keyPart(bundleId)}}`;
  return { scores: `${tagged}:scores`, state: `${tagged}:state` };
}

/** The field of a hash that holds the last offset applied of a partition. */
export function offsetField(partition: number): string {
  return `o${partition}`;
}

/** An id as it may stand in a key: no brace, colon or character that SCAN takes for a pattern. */
function keyPart(id: string): string {
  return encodeURIComponent(id).replaceAll("*", "%2A");
}
