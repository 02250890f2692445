import { expect, test } from "@jest/globals";
import { readContainers } from "./docker.js";

const redis = { Service: "redis", State: "running", Health: "healthy", Image: "redis" };
const kafka = { Service: "kafka", State: "exited" };

test("both of Compose's listings are read: one object a line, and one array", () => {
  const expected = [
    { Service: "redis", State: "running", Health: "healthy" },
    { Service: "kafka", State: "exited", Health: "" },
  ];
  expect(readContainers(`${JSON.stringify(redis)}\n${JSON.stringify(kafka)}\n`)).toEqual(expected);
  expect(readContainers(JSON.stringify([redis, kafka]))).toEqual(expected);
  expect(readContainers("")).toEqual([]);
});
