import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap } from "@nestjs/common";
import type { ConsumedRecord, Rejection } from "@marquetry/backends/event-bus";
import { observeConsumers } from "@marquetry/backends/event-bus/observation";
import { CLICKSTREAM } from "@marquetry/contracts/topics";
import { decodeBatch } from "@marquetry/contracts/validation";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { CONTEXT, PORTS, UPDATE_PROFILES } from "./ports.js";
import type { UserProfilePorts } from "./ports.js";
import type { UpdateProfiles } from "./update-profiles.js";

/** Clickstream events from the bus through the use-case to the profile store. */
@Injectable()
export class ClickstreamConsumer implements OnApplicationBootstrap {
  constructor(
    @Inject(CONTEXT) private readonly context: ServiceContext,
    @Inject(PORTS) private readonly ports: UserProfilePorts,
    @Inject(UPDATE_PROFILES) private readonly updateProfiles: UpdateProfiles,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { bus, bundle } = this.ports;
    const consume = observeConsumers(bus, this.context);
    const consumer = await consume({
      topic: CLICKSTREAM.name,
      // A new bundle reads the topic from its start and fills profiles of its own.
      group: `marquetry-user-profile-${bundle.id}`,
      handler: (records) => this.#handle(records),
    });
    this.context.resource("consumer", consumer);
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
