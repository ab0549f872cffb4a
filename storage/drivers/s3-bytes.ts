import type { IncomingMessage } from 'node:http';

/**
 * The body of a short answer; undefined when it is longer than `maxBytes`, and then given up. Read as it
 * flows: an answer that is being iterated counts as paused, and its silence would go unseen.
 */
export function readShort(
  response: IncomingMessage,
  maxBytes: number,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    response.on('data', (bytes: Buffer) => {
      size += bytes.length;
      parts.push(bytes);
      if (size <= maxBytes) return;
      response.destroy();
      resolve(undefined);
    });
    response.on('end', () => {
      resolve(Buffer.concat(parts, size));
    });
    response.on('error', reject);
  });
}
