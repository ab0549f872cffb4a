import { pipeline } from 'node:stream/promises';
import { createDeflateRaw } from 'node:zlib';

import { formatFilezHeader, isSymlink, type FilezHeader } from './file-header.ts';
import { wrongContentSize } from './file-checksum.ts';

/** What libostree compresses with unless told otherwise (`archive.zlib-level`). */
const LEVEL = 6;
const OUTPUT_BYTES = 64 * 1024;

/**
 * The bytes of a `.filez`: the header, then the content as raw deflate; a symlink has no body. Throws
 * `size_mismatch` when the content is not as long as `head.size`, `bad_format` for a header that
 * {@link formatFilezHeader} refuses. Errors of the content pass through.
 */
export async function* writeFilez(
  head: FilezHeader,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void> {
  yield formatFilezHeader(head);
  const size = isSymlink(head.header) ? 0 : head.size;
  const plain = counted(size, content);
  if (isSymlink(head.header)) {
    yield* plain;
    return;
  }
  const deflate = createDeflateRaw({ level: LEVEL, chunkSize: OUTPUT_BYTES });
  // A fault of the content destroys the stream with that error, so reading it throws it too.
  const feeding = pipeline(plain, deflate).catch(() => undefined);
  for await (const part of deflate) yield part as Buffer;
  await feeding;
}

async function* counted(
  size: number,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void> {
  let seen = 0;
  for await (const part of content) {
    seen += part.length;
    if (seen > size) throw wrongContentSize(size, `more than ${size}`);
    yield Buffer.from(part.buffer, part.byteOffset, part.length);
  }
  if (seen !== size) throw wrongContentSize(size, seen);
}
