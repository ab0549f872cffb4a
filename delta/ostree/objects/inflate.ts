import { createInflateRaw, type InflateRaw } from 'node:zlib';

import { decoded, OUTPUT_BYTES, writePart } from '../../../storage/chunk/zlib-decoder.ts';
import { DeltaError } from '../../errors.ts';

/**
 * Raw deflate (RFC 1951), one stream and nothing after it. Throws `bad_format` for a stream that is
 * broken or cut off and for bytes that follow it. Errors of the source pass through. Holds no more
 * than one part of the source and {@link OUTPUT_BYTES} of output, however small the input.
 */
export function inflateRaw(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  return decoded(
    () => createInflateRaw({ chunkSize: OUTPUT_BYTES }),
    (decoder) => feed(source, decoder),
    (cause) => new DeltaError('bad_format', `deflate: ${String(cause)}`, { cause }),
  );
}

async function feed(source: AsyncIterable<Uint8Array>, decoder: InflateRaw): Promise<void> {
  let written = 0;
  for await (const part of source) {
    if (part.length === 0) continue;
    if (!(await writePart(decoder, part))) return;
    written += part.length;
    // The decoder stops taking input at the end of the stream.
    const unread = written - decoder.bytesWritten;
    if (unread > 0) {
      throw new DeltaError('bad_format', `deflate: ${unread} bytes or more follow its end`);
    }
  }
  decoder.end();
}
