import type { Action } from "../gen/marquetry/events/v1/clickstream_pb.js";

/**
 * The names of actions in profiles, bundles and the services' code, in the order of their numbers in
 * the proto, from 1. Profiles are stored with a name's place in this list: only ever append.
 */
export const ACTION_NAMES = [
  "view",
  "click",
  "add-to-cart",
  "favourite",
  "purchase",
  "dismiss",
  "return",
] as const;

export type ActionName = (typeof ACTION_NAMES)[number];

/** Undefined where the action is unspecified. */
export function actionName(action: Action): ActionName | undefined {
  return ACTION_NAMES[action - 1];
}
