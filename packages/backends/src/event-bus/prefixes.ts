import type { EventBus } from "./event-bus.js";

interface Prefixes {
  /** Put before every topic's name. */
  readonly topics: string;
  /** Put before every consumer group's name. */
  readonly groups: string;
}

/**
 * The same bus under longer names, so that several installations share one Kafka cluster. Another
 * prefix for the groups alone reads every topic again from its first record. Records carry the
 * topic's real name.
 */
export function withPrefixes(bus: EventBus, { topics, groups }: Prefixes): EventBus {
  return {
    ensureTopics: (specs) =>
      bus.ensureTopics(specs.map((spec) => ({ ...spec, name: topics + spec.name }))),
    publish: (topic, records) => bus.publish(topics + topic, records),
    consume: (options) =>
      bus.consume({ ...options, topic: topics + options.topic, group: groups + options.group }),
    extent: (topic) => bus.extent(topics + topic),
    ping: () => bus.ping(),
    close: () => bus.close(),
  };
}
