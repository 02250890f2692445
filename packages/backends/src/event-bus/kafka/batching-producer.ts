import { MarquetryError } from "@marquetry/runtime/errors";

interface BatchingProducerOptions<Message> {
  /** Sends messages in this order; resolves when they are durable. */
  readonly send: (messages: readonly Message[]) => Promise<void>;
  /** Bytes of one `send`, unless a single message has more. */
  readonly sendBytesMax: number;
  /** Messages that may wait; past it `push` throws `overloaded`. */
  readonly waitingMax: number;
}

export interface BatchingProducer<Message> {
  /** Resolves when all messages are sent. `bytes` holds the size of each. */
  push(messages: readonly Message[], bytes: readonly number[]): Promise<void>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

interface Push<Message> {
  readonly messages: readonly Message[];
  readonly bytes: readonly number[];
  /** Index of the first message that is not in a batch yet. */
  next: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One send at a time, so that a retried send cannot overtake a later one; what arrives meanwhile
 * goes out in one batch with the next. A failed send fails every push that had messages in it.
 */
export function createBatchingProducer<Message>(
  options: BatchingProducerOptions<Message>,
): BatchingProducer<Message> {
  const pushes: Push<Message>[] = [];
  let waiting = 0;
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    while (pushes.length > 0) {
      const batch = takeBatch(pushes, options.sendBytesMax);
      waiting -= batch.messages.length;
      try {
        await options.send(batch.messages);
        for (const push of batch.pushes) if (push.next === push.messages.length) push.resolve();
      } catch (error) {
        for (const push of batch.pushes) fail(push, error);
      }
    }
    sending = undefined;
  }

  function fail(push: Push<Message>, error: unknown): void {
    waiting -= push.messages.length - push.next;
    if (pushes[0] === push) pushes.shift();
    push.reject(error);
  }

  return {
    async push(messages, bytes) {
      if (messages.length === 0) return;
      if (waiting > 0 && waiting + messages.length > options.waitingMax) {
        throw new MarquetryError("overloaded", "too many records wait to be published");
      }
      waiting += messages.length;
      await new Promise<void>((resolve, reject) => {
        pushes.push({ messages, bytes, next: 0, resolve, reject });
        sending ??= sendAll();
      });
    },
    async idle() {
      await sending;
    },
  };
}

/** Takes messages from the front, whole pushes or the beginning of one, up to the bound. */
function takeBatch<Message>(
  pushes: Push<Message>[],
  bytesMax: number,
): { messages: Message[]; pushes: Push<Message>[] } {
  const batch = { messages: [] as Message[], pushes: [] as Push<Message>[] };
  let bytesFree = bytesMax;
  for (let push = pushes[0]; push !== undefined; push = pushes[0]) {
    const before = batch.messages.length;
    while (push.next < push.messages.length) {
      const bytes = push.bytes[push.next] ?? 0;
      if (bytes > bytesFree && batch.messages.length > 0) break;
      batch.messages.push(push.messages[push.next] as Message);
      bytesFree -= bytes;
      push.next += 1;
    }
    if (batch.messages.length > before) batch.pushes.push(push);
    if (push.next < push.messages.length) break;
    pushes.shift();
  }
  return batch;
}
