import { expect, test } from "@jest/globals";
import { Action } from "../gen/marquetry/events/v1/clickstream_pb.js";
import { Availability } from "../gen/marquetry/events/v1/product_pb.js";
import { ACTION_NAMES, actionName } from "./actions.js";
import { AVAILABILITY_NAMES, availabilityName, availabilityNamed } from "./availability.js";

const isConstant = <E>(value: string | E): value is E => typeof value === "number" && value > 0;
/** "add-to-cart" of ADD_TO_CART. */
const kebab = (constant: string) => constant.toLowerCase().replaceAll("_", "-");

test("each action of the proto has its own name", () => {
  const actions = Object.values(Action).filter(isConstant<Action>);
  expect(actions.map((action) => kebab(Action[action]))).toEqual([...ACTION_NAMES]);
  expect(actions.map(actionName)).toEqual([...ACTION_NAMES]);
  expect(actionName(Action.UNSPECIFIED)).toBeUndefined();
});

test("each availability of the proto has its own name, there and back", () => {
  const availabilities = Object.values(Availability).filter(isConstant<Availability>);
  expect(availabilities.map((each) => kebab(Availability[each]))).toEqual([...AVAILABILITY_NAMES]);
  expect(availabilities.map(availabilityName)).toEqual([...AVAILABILITY_NAMES]);
  expect(AVAILABILITY_NAMES.map(availabilityNamed)).toEqual(availabilities);
  expect(availabilityName(Availability.UNSPECIFIED)).toBeUndefined();
});
