/** The places of the largest values. */

/**
 * @param count at least 0
 * @param above only values above it count. Default: -Infinity.
 * @returns places, largest value first, the lower place of equals; fewer than `count` where fewer
 *   values count
 */
export function largestPlaces(
  values: Float32Array | Float64Array,
  count: number,
  above = -Infinity,
): Int32Array {
  const places = new Int32Array(count);
  const largest = new Float64Array(count);
  let filled = 0;
  for (let place = 0; place < values.length; place += 1) {
    const value = values[place]!;
    if (value <= above || (filled === count && value <= largest[count - 1]!)) continue;
    let at = filled < count ? filled : count - 1;
    while (at > 0 && largest[at - 1]! < value) {
      largest[at] = largest[at - 1]!;
      places[at] = places[at - 1]!;
      at -= 1;
    }
    largest[at] = value;
    places[at] = place;
    filled = Math.min(count, filled + 1);
  }
  return places.subarray(0, filled);
}
