import { createInflateRaw, type InflateRaw } from 'node:zlib';

import { DeltaError } from '../../errors.ts';

/** Bytes of a decoded part: fewer calls into zlib than with its default of 16 KiB. */
const OUTPUT_BYTES = 64 * 1024;

/**
 * Raw deflate (RFC 1951), one stream and nothing after it. Throws `bad_format` for a stream that is
 * broken or cut off and for bytes that follow it. Errors of the source pass through. Holds no more
 * than one part of the source and {@link OUTPUT_BYTES} of output, however small the input.
 */
export async function* inflateRaw(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  const decoder = createInflateRaw({ chunkSize: OUTPUT_BYTES });
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
    throw new DeltaError('bad_format', `deflate: ${String(cause)}`, { cause });
  } finally {
    decoder.destroy();
  }
  if (sourceFault !== undefined) throw sourceFault.error;
}

async function feed(source: AsyncIterable<Uint8Array>, decoder: InflateRaw): Promise<void> {
  let written = 0;
  for await (const part of source) {
    if (part.length === 0) continue;
    if (!(await write(decoder, part))) return;
    written += part.length;
    // The decoder stops taking input at the end of the stream.
    const unread = written - decoder.bytesWritten;
    if (unread > 0) {
      throw new DeltaError('bad_format', `deflate: ${unread} bytes or more follow its end`);
    }
  }
  decoder.end();
}

/** Resolves once the part is used up, or to false when the decoder closed first. */
function write(decoder: InflateRaw, part: Uint8Array): Promise<boolean> {
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
