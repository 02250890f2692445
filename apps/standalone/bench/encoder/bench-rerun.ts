import { join } from "node:path";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import type { EncoderPorts } from "@marquetry/encoder/ports";
import { readCatalogue, toProductChange } from "../../src/catalogue.js";
import { openThroughput, startEncoderService } from "./service.js";
import { openDefaultEncoder, openMemoryBus } from "./setting.js";
import type { EncoderBench } from "./setting.js";

/** The whole catalogue, then the whole catalogue again with every revision raised. */
export async function benchRerun(bench: EncoderBench): Promise<void> {
  const { data, progress, report } = bench;
  const products = await readCatalogue(join(data, "magento-luma"));
  const changes = (revision: number): ProductChange[] =>
    products.map((product) => toProductChange(product, { revision, occurredAtMs: Date.now() }));
  const text = await openDefaultEncoder(bench, "text");
  const image = await openDefaultEncoder(bench, "image");
  const bus = openMemoryBus();
  const encoders: EncoderPorts["encoders"] = new Map([
    ["text", text],
    ["image", image],
  ]);
  const service = await startEncoderService(bus, encoders, { data });
  try {
    const throughput = await openThroughput(bus);
    const first = await throughput.run(changes(1));
    const encoded = text.encodedTotal() + image.encodedTotal();
    const again = Math.min(
      await throughput.run(changes(2)),
      await throughput.run(changes(3)),
      await throughput.run(changes(4)),
    );
    progress(`catalogue: first ${first.toFixed(2)} s, again ${again.toFixed(2)} s`);
    report({
      name: "encoder.cached_rerun",
      value: first / again,
      unit: "times faster",
      goal: ">= 20",
      context: {
        products: products.length,
        first_s: Number(first.toFixed(2)),
        again_s: Number(again.toFixed(3)),
        encoded_first: encoded,
        encoded_again: text.encodedTotal() + image.encodedTotal() - encoded,
      },
    });
  } finally {
    await service.close();
    await bus.close();
    await Promise.all([text.close(), image.close()]);
  }
}
