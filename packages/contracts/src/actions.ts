import { Action } from "../gen/marquetry/events/v1/clickstream_pb.js";

/** What services, bundles and stored profiles call an action. */
export const ACTION_NAMES = {
  [Action.VIEW]: "view",
  [Action.CLICK]: "click",
  [Action.ADD_TO_CART]: "add-to-cart",
  [Action.FAVOURITE]: "favourite",
  [Action.PURCHASE]: "purchase",
  [Action.DISMISS]: "dismiss",
  [Action.RETURN]: "return",
} as const satisfies Record<Exclude<Action, Action.UNSPECIFIED>, string>;
