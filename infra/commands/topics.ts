/** `npm run topics`: the topic table of the contracts as the file that operators read. */
import { writeFile } from "node:fs/promises";
import { topicTableJson } from "../stack/topic-table.js";

const HELP = `usage: npm run topics -- write

Writes infra/topics.json: partitions, largest record and Kafka settings of every topic, as
packages/contracts/src/topics.ts states them.`;

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(HELP);
} else if (args.length === 1 && args[0] === "write") {
  await writeFile(new URL("../../topics.json", import.meta.url), topicTableJson());
} else {
  console.error(HELP);
  process.exitCode = 2;
}
