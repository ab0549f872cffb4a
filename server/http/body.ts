import type { IncomingMessage } from 'node:http';

/**
 * A request's body as a source that may be left half read: an abandoned iterator must not destroy
 * the connection, or the client would never read the refusal.
 */
export function bodySource(req: IncomingMessage): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => req.iterator({ destroyOnReturn: false }),
  };
}

/** True if a body may follow: a length other than 0, or none told in advance. */
export function hasBody(req: IncomingMessage): boolean {
  const length = contentLength(req);
  return length === undefined ? req.headers['transfer-encoding'] !== undefined : length > 0;
}

/**
 * Reads a whole body into memory; throws what `tooLarge` makes as soon as it is known to be longer
 * than `maxBytes`, and leaves the rest unread.
 */
export async function readBody(
  req: IncomingMessage,
  maxBytes: number,
  tooLarge: () => Error,
): Promise<Buffer> {
  if ((contentLength(req) ?? 0) > maxBytes) throw tooLarge();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of bodySource(req)) {
    size += part.length;
    if (size > maxBytes) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}

/** Node has refused anything that is no number. */
function contentLength(req: IncomingMessage): number | undefined {
  const header = req.headers['content-length'];
  return header === undefined ? undefined : Number(header);
}
