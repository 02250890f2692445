import type { Availability } from "../gen/marquetry/events/v1/product_pb.js";

/** The names of availabilities in the product index, in the order of their numbers in the proto,
 * from 1. */
export const AVAILABILITY_NAMES = ["in-stock", "out-of-stock", "preorder"] as const;

export type AvailabilityName = (typeof AVAILABILITY_NAMES)[number];

/** Undefined where the availability is unspecified, or newer than this code. */
export function availabilityName(availability: Availability): AvailabilityName | undefined {
  return AVAILABILITY_NAMES[availability - 1];
}

export function availabilityNamed(name: AvailabilityName): Availability {
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- names stand in the order of numbers
  return AVAILABILITY_NAMES.indexOf(name) + 1;
}
