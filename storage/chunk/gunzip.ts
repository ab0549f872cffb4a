import { createGunzip, type Gunzip } from 'node:zlib';

import { StorageError } from '../errors.ts';
import { decoded, OUTPUT_BYTES, writePart } from './zlib-decoder.ts';

/**
 * Gzip as the world writes it (RFC 1952): any number of members, empty ones included, with names and
 * comments, and zero padding after the last trailer, which gzip(1) accepts and Node's stream does
 * not once it spans a write. Throws `corrupt` for a broken or cut off member and for any other byte
 * after the last one. Errors of the source pass through.
 */
export function gunzip(source: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  return decoded(
    () => createGunzip({ chunkSize: OUTPUT_BYTES }),
    (decoder) => feed(source, decoder),
    (cause) => new StorageError('corrupt', `gzip: ${String(cause)}`, { cause }),
  );
}

/** Writes the source into the decoder, then checks that nothing but padding follows its end. */
async function feed(source: AsyncIterable<Uint8Array>, decoder: Gunzip): Promise<void> {
  let written = 0;
  let ended = false;
  for await (const part of source) {
    if (ended) {
      checkPadding(part);
      continue;
    }
    if (part.length === 0) continue;
    if (!(await writePart(decoder, part))) return;
    written += part.length;
    // Input left over means that the decoder met a zero byte where a member would begin.
    const unread = written - decoder.bytesWritten;
    ended = unread > 0;
    if (ended) checkPadding(part.subarray(part.length - unread));
  }
  if (!ended) decoder.end();
}

function checkPadding(bytes: Uint8Array): void {
  if (bytes.every((byte) => byte === 0)) return;
  throw new StorageError('corrupt', 'gzip: bytes that are neither a member nor padding follow');
}
