import type { Admin } from "kafkajs";
import { createClient, REQUEST_MS_MAX } from "./client.js";
import type { KafkaEventBusOptions } from "./client.js";
import { toBusError } from "./errors.js";

/**
 * Administration is rare: a connection for each use has no state that could go stale.
 *
 * @throws MarquetryError as `toBusError` says
 */
export async function withAdmin<Result>(
  options: KafkaEventBusOptions,
  retries: number,
  work: (admin: Admin) => Promise<Result>,
  requestMsMax = REQUEST_MS_MAX,
): Promise<Result> {
  const admin = createClient(options, retries, requestMsMax).admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    throw toBusError(error);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
