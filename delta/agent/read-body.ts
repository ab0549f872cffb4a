import type { IncomingMessage } from 'node:http';

/** Bytes of a body that wait here at most, beside one read of the socket. */
export const MAX_QUEUED_BYTES = 256 * 1024;

/**
 * A body's bytes as they arrive. What has arrived is handed out even when the connection breaks off
 * after it: it was paid for. Then, or when the next byte takes `stallMs`, throws.
 */
export async function* readBody(message: IncomingMessage, stallMs: number): AsyncGenerator<Buffer> {
  const queue: Buffer[] = [];
  let queuedBytes = 0;
  let isOver = message.destroyed;
  let fault: Error | undefined;
  let wake = (): void => undefined;
  const take = (mostBytes: number): void => {
    while (queuedBytes < mostBytes) {
      const bytes = message.read() as Buffer | null;
      if (bytes === null) break;
      queue.push(bytes);
      queuedBytes += bytes.length;
    }
    wake();
  };
  const end = (error?: Error): void => {
    isOver = true;
    fault ??= error;
    // Not by 'data': a stream that flows drops what it still holds when the connection breaks off.
    take(Infinity);
  };
  message.on('readable', () => {
    take(MAX_QUEUED_BYTES);
  });
  message.once('end', () => {
    end();
  });
  message.once('error', end);
  message.once('close', () => {
    end();
  });
  try {
    for (;;) {
      const bytes = queue.shift();
      if (bytes !== undefined) {
        queuedBytes -= bytes.length;
        take(MAX_QUEUED_BYTES);
        yield bytes;
        continue;
      }
      if (isOver) break;
      const timer = setTimeout(() => {
        end(new Error(`no byte for ${stallMs} ms`));
      }, stallMs);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      clearTimeout(timer);
    }
    if (fault !== undefined) throw fault;
    if (!message.complete) throw new Error('the connection broke off');
  } finally {
    message.destroy();
  }
}
