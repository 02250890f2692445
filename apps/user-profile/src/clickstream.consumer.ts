import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap, OnModuleDestroy } from "@nestjs/common";
import type { ConsumedRecord, Consumer, Rejection } from "@marquetry/backends/event-bus";
import { consumeObserved } from "@marquetry/backends/event-bus/observation";
import { CLICKSTREAM } from "@marquetry/contracts/topics";
import { decodeBatch } from "@marquetry/contracts/validation";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { CONTEXT, PORTS, UPDATE_PROFILES } from "./tokens.js";
import type { UpdateProfiles } from "./update-profiles.js";
import type { UserProfilePorts } from "./user-profile.module.js";

/** Clickstream events from the bus through the use-case to the profile store. */
@Injectable()
export class ClickstreamConsumer implements OnApplicationBootstrap, OnModuleDestroy {
  #consumer: Consumer | undefined;

  constructor(
    @Inject(CONTEXT) private readonly context: ServiceContext,
    @Inject(PORTS) private readonly ports: UserProfilePorts,
    @Inject(UPDATE_PROFILES) private readonly updateProfiles: UpdateProfiles,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { bus, bundle } = this.ports;
    this.#consumer = await consumeObserved(
      bus,
      {
        topic: CLICKSTREAM.name,
        // A new bundle reads the topic from its start and fills profiles of its own.
        group: `marquetry-user-profile-${bundle.id}`,
        handler: (records) => this.#handle(records),
      },
      this.context,
    );
  }

  async onModuleDestroy(): Promise<void> {
    await this.#consumer?.close();
  }

  async #handle(records: readonly ConsumedRecord[]): Promise<readonly Rejection[]> {
    const { accepted, rejected } = decodeBatch(CLICKSTREAM.schema, records);
    const [first] = accepted;
    if (first === undefined) return rejected;
    await this.updateProfiles(
      first.record.partition,
      accepted.map(({ record, message }) => ({ offset: record.offset, event: message })),
    );
    return rejected;
  }
}
