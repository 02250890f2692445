import { MarquetryError } from "@marquetry/runtime/errors";

export interface BatchingProducerOptions<Message> {
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

interface Job<Message> {
  readonly messages: readonly Message[];
  readonly bytes: readonly number[];
  next: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One send at a time, so that a retried send cannot overtake a later one; what arrives meanwhile
 * goes out together in the next. A failed send fails every push that had a part in it.
 */
export function createBatchingProducer<Message>(
  options: BatchingProducerOptions<Message>,
): BatchingProducer<Message> {
  const jobs: Job<Message>[] = [];
  let waiting = 0;
  let pumping: Promise<void> | undefined;

  /** Takes messages from the front, whole jobs or the beginning of one, up to the bound. */
  function takeChunk(): { messages: Message[]; parts: Job<Message>[] } {
    const messages: Message[] = [];
    const parts: Job<Message>[] = [];
    let room = options.sendBytesMax;
    for (let job = jobs[0]; job !== undefined; job = jobs[0]) {
      const before = messages.length;
      while (job.next < job.messages.length) {
        const bytes = job.bytes[job.next] ?? 0;
        if (bytes > room && messages.length > 0) break;
        messages.push(job.messages[job.next] as Message);
        room -= bytes;
        job.next += 1;
      }
      if (messages.length > before) parts.push(job);
      if (job.next < job.messages.length) break;
      jobs.shift();
    }
    waiting -= messages.length;
    return { messages, parts };
  }

  async function pump(): Promise<void> {
    while (jobs.length > 0) {
      const { messages, parts } = takeChunk();
      try {
        await options.send(messages);
        for (const job of parts) if (job.next === job.messages.length) job.resolve();
      } catch (error) {
        for (const job of parts) drop(job, error);
      }
    }
    pumping = undefined;
  }

  function drop(job: Job<Message>, error: unknown): void {
    waiting -= job.messages.length - job.next;
    if (jobs[0] === job) jobs.shift();
    job.reject(error);
  }

  return {
    async push(messages, bytes) {
      if (messages.length === 0) return;
      if (waiting > 0 && waiting + messages.length > options.waitingMax) {
        throw new MarquetryError("overloaded", "too many records wait to be published");
      }
      waiting += messages.length;
      await new Promise<void>((resolve, reject) => {
        jobs.push({ messages, bytes, next: 0, resolve, reject });
        pumping ??= pump();
      });
    },
    async idle() {
      await pumping;
    },
  };
}
