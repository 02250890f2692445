import { describe, expect, test } from "@jest/globals";
import { TOPICS } from "@marquetry/contracts/topics";
import { clusterTopics, readTopicTable } from "./topics.js";

describe("topics.json", () => {
  test("says the same as the topic table of the contracts", async () => {
    const { topics } = await readTopicTable();
    const sources = topics.filter(({ name }) => !name.endsWith(".dlq"));
    const facts = ({ name, partitions, recordBytesMax }: (typeof topics)[number]) => ({
      name,
      partitions,
      recordBytesMax,
    });
    expect(sources.map(facts)).toEqual(
      TOPICS.map(({ name, partitions, recordBytesMax }) => ({ name, partitions, recordBytesMax })),
    );
  });

  test("has a dead-letter topic for each topic that takes every record of it", async () => {
    const { topics } = await readTopicTable();
    for (const { name } of TOPICS) {
      const source = topics.find((topic) => topic.name === name)!;
      const deadLetters = topics.find((topic) => topic.name === `${name}.dlq`);
      expect(deadLetters?.recordBytesMax).toBe(source.recordBytesMax);
      expect(deadLetters?.config["max.message.bytes"]).toBe(source.config["max.message.bytes"]);
    }
  });

  test("leaves room for headers beside the largest record", async () => {
    const { topics } = await readTopicTable();
    for (const { config, recordBytesMax } of topics) {
      expect(Number(config["max.message.bytes"])).toBeGreaterThanOrEqual(
        recordBytesMax + 64 * 1024,
      );
    }
  });

  test("asks one broker for one replica, and three for two in sync", async () => {
    const table = await readTopicTable();
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
