import { describe, expect, test } from "@jest/globals";
import { readFile } from "node:fs/promises";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import { TOPICS, topicPolicies } from "@marquetry/contracts/topics";
import { topicTable, topicTableJson } from "./topic-table.js";
import { clusterTopics } from "./topics.js";

describe("topics.json", () => {
  test("is what `npm run topics -- write` makes of the contracts, dead letters included", async () => {
    const file = await readFile(new URL("../../topics.json", import.meta.url), "utf8");
    expect(file).toBe(topicTableJson());
    const { topics } = JSON.parse(file) as ReturnType<typeof topicTable>;
    expect(topics).toEqual(
      topicPolicies().map(({ name, partitions, recordBytesMax }) =>
        expect.objectContaining({ name, partitions, recordBytesMax }),
      ),
    );
    expect(topics.map(({ name }) => name)).toEqual(
      TOPICS.flatMap(({ name }) => [name, deadLetterTopic(name)]),
    );
  });

  test("has a dead-letter topic for each topic that takes every record of it", () => {
    const { topics } = topicTable();
    for (const { name } of TOPICS) {
      const source = topics.find((topic) => topic.name === name)!;
      const deadLetters = topics.find((topic) => topic.name === deadLetterTopic(name));
      expect(deadLetters?.recordBytesMax).toBe(source.recordBytesMax);
      expect(deadLetters?.config["max.message.bytes"]).toBe(source.config["max.message.bytes"]);
    }
  });

  test("leaves room for headers beside the largest record", () => {
    const { topics } = topicTable();
    for (const { config, recordBytesMax } of topics) {
      expect(Number(config["max.message.bytes"])).toBeGreaterThanOrEqual(
        recordBytesMax + 64 * 1024,
      );
    }
  });

  test("asks one broker for one replica, and three for two in sync", () => {
    const table = topicTable();
    const replicas = (brokers: number) =>
      clusterTopics(table, brokers).map(({ replicationFactor, configEntries }) => ({
        replicationFactor,
        inSync: configEntries.find(({ name }) => name === "min.insync.replicas")?.value,
      }));
    expect(new Set(replicas(1).map((x) => JSON.stringify(x)))).toEqual(
      new Set([JSON.stringify({ replicationFactor: 1, inSync: "1" })]),
    );
    expect(replicas(5)[0]).toEqual({ replicationFactor: 3, inSync: "2" });
  });
});
