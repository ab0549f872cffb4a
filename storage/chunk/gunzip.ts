import { createGunzip, type Gunzip } from 'node:zlib';

import { StorageError } from '../errors.ts';

/** Bytes of a decoded part: fewer calls into zlib than with its default of 16 KiB. */
const OUTPUT_BYTES = 64 * 1024;

/**
 * Gzip as the world writes it (RFC 1952): any number of members, empty ones included, with names and
 * comments, and zero padding after the last trailer, which gzip(1) accepts and Node's stream does
 * not once it spans a write. Throws `corrupt` for a broken or cut off member and for any other byte
 * after the last one. Errors of the source pass through.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  const decoder = createGunzip({ chunkSize: OUTPUT_BYTES });
  let sourceFault: { readonly error: unknown } | undefined;
  const feeding = feed(source, decoder).catch((error: unknown) => {
    sourceFault = { error };
    decoder.destroy();
  });
  try {
    for await (const part of decoder) yield part as Buffer;
    await feeding;
  } catch (cause) {
    if (sourceFault !== undefined) throw sourceFault.error;
    throw new StorageError('corrupt', `gzip: ${String(cause)}`, { cause });
  } finally {
    decoder.destroy();
  }
  if (sourceFault !== undefined) throw sourceFault.error;
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
    if (!(await write(decoder, part))) return;
    written += part.length;
    // Input left over means that the decoder met a zero byte where a member would begin.
    const unread = written - decoder.bytesWritten;
    ended = unread > 0;
    if (ended) checkPadding(part.subarray(part.length - unread));
  }
  if (!ended) decoder.end();
}

/** Resolves once the part is used up, or to false when the decoder closed first. */
function write(decoder: Gunzip, part: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const closed = (): void => {
      resolve(false);
    };
    if (decoder.destroyed) {
      resolve(false);
      return;
    }
    decoder.once('close', closed);
    decoder.write(part, (error) => {
      decoder.off('close', closed);
      resolve(error === undefined || error === null);
    });
  });
}

function checkPadding(bytes: Uint8Array): void {
  if (bytes.every((byte) => byte === 0)) return;
  throw new StorageError('corrupt', 'gzip: bytes that are neither a member nor padding follow');
}
