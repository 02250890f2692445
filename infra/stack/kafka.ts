import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { StackError } from "./options.js";
import type { StackOptions } from "./options.js";
import { connectTo } from "./processes.js";
import type { Server } from "./processes.js";

// A cluster id is 16 bytes in base64url; these read "marquetry-stack1".
const CLUSTER_ID = "bWFycXVldHJ5LXN0YWNrMQ";

/** `libraries` is the folder of Kafka's jars. */
export function kafkaServer(options: StackOptions, libraries: string): Server {
  const folder = join(options.directory, "kafka");
  const data = join(folder, "data");
  const properties = join(folder, "server.properties");
  const settings = kafkaProperties(data, options.ports.kafka, options.ports.kafkaController);
  const classPath = ["-cp", join(libraries, "*")];
  return {
    name: "kafka",
    port: options.ports.kafka,
    command: "java",
    args: [
      "-Xms128m",
      "-Xmx512m",
      "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1",
      "-Djava.net.preferIPv4Stack=true",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-Dorg.slf4j.simpleLogger.showDateTime=true",
      "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
      ...classPath,
      "kafka.Kafka",
      properties,
    ],
    folder,
    settings,
    async prepare() {
      await mkdir(data, { recursive: true });
      await writeFile(properties, settings);
      if (existsSync(join(data, "meta.properties"))) return;
      const format = ["format", "-t", CLUSTER_ID, "-c", properties, "--ignore-formatted"];
      await promisify(execFile)("java", [...classPath, "kafka.tools.StorageTool", ...format]).catch(
        (error: Error & { stderr?: string }) => {
          throw new StackError(
            `kafka: its data folder cannot be formatted: ${error.stderr || error.message}`,
          );
        },
      );
    },
    // Kafka opens the port once it is a member of its quorum; the topics step waits for the rest.
    ready: () => connectTo(options.ports.kafka),
  };
}

export function kafkaProperties(data: string, port: number, controllerPort: number): string {
  return `# Written by stack up; changes are lost at the next start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
log.dirs=${data}

# One broker: without these the coordinators of groups and transactions never appear.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4

# Topics come from the topic table. A record above 1 MiB passes where its topic says so.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0

# After a SIGKILL the controller forgets the old session in 3 s instead of 9.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# A quarter of the heap would go to the log cleaner otherwise.
log.cleaner.dedupe.buffer.size=16777216
`;
}
