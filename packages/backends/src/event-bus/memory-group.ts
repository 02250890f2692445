/** Consumer groups of the bus in memory. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describeError } from "@marquetry/runtime/errors";
import { BATCH_RECORDS_MAX, deliver, drain, splitDue } from "./delivery.js";
import type { DeadLetter } from "./delivery.js";
import type {
  ConsumedRecord,
  ConsumeOptions,
  Consumer,
  ConsumerStatus,
  TopicSpec,
} from "./event-bus.js";
import { mayStartBatch, NEW_MEMBER, statusOf, transition } from "./membership.js";
import type { Membership, MembershipEvent } from "./membership.js";

export interface StoredRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Topic {
  readonly spec: TopicSpec;
  readonly partitions: readonly StoredRecord[][];
}

export interface Group {
  readonly topic: Topic;
  /** Next offset of each partition. */
  readonly committed: number[];
  readonly members: Set<GroupMember>;
  /** The rebalance under way, or the last one: they happen one after the other. */
  rebalance: Promise<void>;
}

/** What the bus lends to a member. */
interface Bus {
  readonly drainMs: number;
  readonly writeDeadLetters: (letters: readonly DeadLetter[]) => Promise<void>;
}

export function createGroup(topic: Topic): Group {
  return {
    topic,
    committed: topic.partitions.map(() => 0),
    members: new Set(),
    rebalance: Promise.resolve(),
  };
}

/** Resolves when the member has its partitions. */
export async function joinGroup(
  group: Group,
  options: ConsumeOptions,
  bus: Bus,
): Promise<Consumer> {
  const member = new GroupMember(group, options, bus);
  group.members.add(member);
  await rebalance(group);
  member.start();
  return member;
}

/** Deals the partitions out anew, once every member has let go of its own. */
function rebalance(group: Group): Promise<void> {
  group.rebalance = group.rebalance.then(async () => {
    await Promise.all([...group.members].map((member) => member.revoke()));
    const members = [...group.members];
    const partitions = [...group.topic.partitions.keys()];
    for (const [index, member] of members.entries()) {
      member.assign(partitions.filter((partition) => partition % members.length === index));
    }
  });
  return group.rebalance;
}

class GroupMember implements Consumer {
  readonly #group: Group;
  readonly #options: ConsumeOptions;
  readonly #bus: Bus;
  /** Aborts the handler when the time to drain is over. */
  readonly #handler = new AbortController();
  #membership: Membership = NEW_MEMBER;
  #partitions: readonly number[] = [];
  /** Aborted when the partitions are revoked; a new one with each assignment. */
  #stop = new AbortController();
  /** Why the batch is being retried. */
  #retried: string | undefined;
  #paused = false;
  #running: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #wake = (): void => undefined;
  /** Rings when the first record's time has come, where all that waits is early. */
  #alarm: NodeJS.Timeout | undefined;

  constructor(group: Group, options: ConsumeOptions, bus: Bus) {
    this.#group = group;
    this.#options = options;
    this.#bus = bus;
  }

  start(): void {
    this.#run().catch((error: unknown) => {
      this.#apply({ kind: "crashed", error: describeError(error), fatal: true });
      this.#options.onFailed?.(error);
    });
  }

  wake(): void {
    this.#wake();
  }

  /** Resolves when the running call of the handler has ended. */
  async revoke(): Promise<void> {
    this.#partitions = [];
    this.#stop.abort();
    this.#apply({ kind: "rebalancing" });
    await this.#running.catch(() => undefined);
  }

  assign(partitions: readonly number[]): void {
    if (!mayStartBatch(this.#membership)) return;
    this.#stop = new AbortController();
    this.#partitions = partitions;
    this.#apply({ kind: "joined" });
    this.wake();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.wake();
  }

  status(): ConsumerStatus {
    return statusOf(this.#membership, this.#retried);
  }

  async lag(): Promise<bigint> {
    const { topic, committed } = this.#group;
    const ends = topic.partitions.map((partition) => partition.length);
    return BigInt(ends.reduce((sum, end, index) => sum + end - (committed[index] ?? 0), 0));
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  #apply(event: MembershipEvent): void {
    this.#membership = transition(this.#membership, event);
  }

  async #leave(): Promise<void> {
    this.#apply({ kind: "leaving" });
    this.#partitions = [];
    this.#stop.abort();
    clearTimeout(this.#alarm);
    this.wake();
    await drain(this.#running, this.#handler, this.#bus.drainMs);
    this.#apply({ kind: "left" });
    this.#group.members.delete(this);
    await rebalance(this.#group);
  }

  async #run(): Promise<void> {
    while (mayStartBatch(this.#membership)) {
      const records = this.#nextBatch();
      if (records.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else {
        this.#running = this.#deliver(records);
        await this.#running;
        await nextTurn(); // a handler that never waits must not starve the process
      }
    }
  }

  /** The next batch, from the partition after the last one served, so that none starves. */
  #nextBatch(): readonly ConsumedRecord[] {
    clearTimeout(this.#alarm);
    if (this.#paused) return [];
    let earliestMs = Infinity;
    for (const partition of this.#partitions) {
      const records = this.#uncommitted(partition);
      if (records.length === 0) continue;
      const { due, waitMs } = splitDue(records, this.#options);
      earliestMs = Math.min(earliestMs, due.length === 0 ? waitMs : Infinity);
      if (due.length === 0) continue;
      this.#partitions = [...this.#partitions.filter((other) => other !== partition), partition];
      return due;
    }
    if (earliestMs < Infinity) this.#alarm = setTimeout(() => this.wake(), earliestMs);
    return [];
  }

  #uncommitted(partition: number): ConsumedRecord[] {
    const { topic, committed } = this.#group;
    const { batchRecordsMax = BATCH_RECORDS_MAX } = this.#options;
    const start = committed[partition] ?? 0;
    const stored = topic.partitions[partition]?.slice(start, start + batchRecordsMax) ?? [];
    return stored.map((record, index) => ({
      topic: topic.spec.name,
      partition,
      offset: BigInt(start + index),
      key: record.key,
      value: new Uint8Array(record.value), // another group's handler must not see changes
      headers: record.headers,
    }));
  }

  #deliver(records: readonly ConsumedRecord[]): Promise<boolean> {
    return deliver(records, {
      options: this.#options,
      writeDeadLetters: this.#bus.writeDeadLetters,
      settled: async ({ partition, offset }) => {
        // A handler that outlived its drain time no longer owns the partition.
        if (this.#membership.state === "closed") return;
        this.#group.committed[partition] = Number(offset) + 1;
      },
      report: (error) => {
        this.#retried = error;
      },
      stop: this.#stop.signal,
      signal: this.#handler.signal,
    });
  }
}
