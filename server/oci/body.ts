import type { IncomingMessage } from 'node:http';

import type { ByteSource } from '../../storage/object-store.ts';
import { OciError } from './errors.ts';

/**
 * A request's body as a source that may be left half read: an abandoned iterator must not destroy
 * the connection, or the client would never read the refusal.
 */
export function bodySource(req: IncomingMessage): ByteSource {
  return {
    [Symbol.asyncIterator]: () => req.iterator({ destroyOnReturn: false }),
  };
}

/** True if a body may follow: a length other than 0, or none told in advance. */
export function hasBody(req: IncomingMessage): boolean {
  const length = contentLength(req);
  return length === undefined ? req.headers['transfer-encoding'] !== undefined : length > 0;
}

/** Node has refused anything that is no number. */
export function contentLength(req: IncomingMessage): number | undefined {
  const header = req.headers['content-length'];
  return header === undefined ? undefined : Number(header);
}

/** Reads a whole body into memory; 413 as soon as it is known to be longer than `maxBytes`. */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if ((contentLength(req) ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of bodySource(req)) {
    size += part.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    parts.push(Buffer.from(part.buffer, part.byteOffset, part.length));
  }
  return Buffer.concat(parts, size);
}

function tooLarge(maxBytes: number): OciError {
  return new OciError('SIZE_INVALID', `a manifest has at most ${maxBytes} bytes`, { status: 413 });
}
