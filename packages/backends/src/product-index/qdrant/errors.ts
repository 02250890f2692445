import { MarquetryError } from "@marquetry/runtime/errors";
import { z } from "zod";

/** Makes one request of the client; whatever it throws becomes a MarquetryError. */
export async function send<Result>(request: () => Promise<Result>): Promise<Result> {
  try {
    return await request();
  } catch (error) {
    throw toIndexError(error);
  }
}

export function ignoreNotFound(error: unknown): void {
  if (!(error instanceof MarquetryError && error.code === "not-found")) throw error;
}

function toIndexError(cause: unknown): MarquetryError {
  const { status, data, name } = clientError.parse(cause);
  const answer = data?.status?.error;
  const reason = answer === undefined ? "" : `: ${answer}`;
  if (status === 429 || name === "QdrantClientResourceExhaustedError") {
    return new MarquetryError("overloaded", "the vector index takes no more requests", { cause });
  }
  if (status === 404) {
    return new MarquetryError("not-found", `the vector index does not have it${reason}`, { cause });
  }
  // A refused key is a mistake of the deployment: the request is as good as before once it is mended.
  const ours = status === 401 || status === 403 || status === 408;
  if (status !== undefined && status >= 400 && status < 500 && !ours) {
    return new MarquetryError("invalid", `the vector index refused the request${reason}`, {
      cause,
    });
  }
  return new MarquetryError("unavailable", "the vector index is out of reach", { cause });
}

/** What the client throws: with a status where the server answered, else from the connection. */
const clientError = z
  .object({
    name: z.string().optional(),
    status: z.number().optional(),
    data: z
      .object({ status: z.object({ error: z.string() }).optional().catch(undefined) })
      .optional()
      .catch(undefined),
  })
  .catch({});
