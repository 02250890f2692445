import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap } from "@nestjs/common";
import type { ConsumedRecord, Rejection } from "@marquetry/backends/event-bus";
import { observeConsumers } from "@marquetry/backends/event-bus/observation";
import { PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { decodeBatch } from "@marquetry/contracts/validation";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { FuseProducts } from "./fuse-products.js";
import { CONTEXT, FUSE_PRODUCTS, PORTS } from "./ports.js";
import type { FusionPorts } from "./ports.js";

/** Embedded products from the bus through the use-case to the index. */
@Injectable()
export class ProductEmbeddingsConsumer implements OnApplicationBootstrap {
  constructor(
    @Inject(CONTEXT) private readonly context: ServiceContext,
    @Inject(PORTS) private readonly ports: FusionPorts,
    @Inject(FUSE_PRODUCTS) private readonly fuseProducts: FuseProducts,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { bus, bundle } = this.ports;
    const consume = observeConsumers(bus, this.context);
    const consumer = await consume({
      topic: PRODUCT_EMBEDDINGS.name,
      // A new bundle reads the topic from its start and fills a collection of its own.
      group: `marquetry-fusion-${bundle.id}`,
      handler: (records) => this.#handle(records),
    });
    this.context.resource("consumer", consumer);
  }

  async #handle(records: readonly ConsumedRecord[]): Promise<Rejection[]> {
    const { accepted, rejected } = decodeBatch(PRODUCT_EMBEDDINGS.schema, records);
    const unusable = await this.fuseProducts(accepted.map(({ message }) => message));
    const rejections: Rejection[] = [...rejected];
    for (const { index, cause } of unusable) {
      const record = accepted[index]?.record;
      if (record !== undefined) rejections.push({ record, cause });
    }
    return rejections;
  }
}
