import { ByteQueue } from '../../../storage/chunk/byte-queue.ts';
import { checkAborted, DeltaError } from '../../errors.ts';
import { verifyChecksum, type Checksum } from './checksum.ts';
import { FileHasher, wrongContentSize } from './file-checksum.ts';
import {
  headerLength,
  HEADER_PREFIX_BYTES,
  isSymlink,
  parseFilezHeader,
  type FilezHeader,
} from './file-header.ts';
import { inflateRaw } from './inflate.ts';

export interface Filez extends FilezHeader {
  /**
   * The uncompressed content, once; it throws at its end, or before, when a promise is not kept.
   * Reading it to its end or giving it up on the way closes the source.
   */
  readonly content: AsyncGenerator<Buffer, void>;
  /** Closes the source, for who does not want the content. */
  close(): void;
}

export interface ReadFilezOptions {
  /** What the object must turn out to be; unchecked when absent. */
  readonly checksum?: Checksum | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a `.filez` as it streams in: the header now, the content as it is asked for, in memory that
 * does not depend on the sizes. Throws `bad_format` for a broken header or deflate stream and for
 * bytes after its end, `size_mismatch` as soon as the content is longer than declared and at the end
 * when it is shorter, `digest_mismatch` at the end when it is not the expected object, `aborted`.
 * Errors of the source pass through.
 */
export async function readFilez(
  source: AsyncIterable<Uint8Array>,
  options: ReadFilezOptions = {},
): Promise<Filez> {
  const iterator = source[Symbol.asyncIterator]();
  const close = (): void => {
    // Not awaited: a source that is waiting for its next part would hold up the caller's error.
    void iterator.return?.().catch(() => undefined);
  };
  const queue = new ByteQueue({ [Symbol.asyncIterator]: () => iterator }, 'a file object');
  try {
    const prefix = await exactly(queue, HEADER_PREFIX_BYTES);
    const bytes = await exactly(queue, HEADER_PREFIX_BYTES + headerLength(prefix));
    const head = parseFilezHeader(bytes);
    await queue.skip(bytes.length);
    const body = rest(queue, options.signal);
    const plain = isSymlink(head.header) ? nothing(body) : inflateRaw(body);
    return { ...head, content: verified(head, plain, options.checksum, close), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function* verified(
  { header, size }: FilezHeader,
  content: AsyncIterable<Buffer>,
  checksum: Checksum | undefined,
  close: () => void,
): AsyncGenerator<Buffer, void> {
  try {
    const hasher = new FileHasher(header);
    for await (const part of content) {
      hasher.update(part);
      if (hasher.size > size) throw wrongContentSize(size, `more than ${size}`);
      yield part;
    }
    if (hasher.size !== size) throw wrongContentSize(size, hasher.size);
    if (checksum !== undefined) verifyChecksum(hasher.digest(), checksum, 'a file object');
  } finally {
    close();
  }
}

/** The next bytes, left in the queue. */
async function exactly(queue: ByteQueue, length: number): Promise<Buffer> {
  const bytes = await queue.peek(length);
  if (bytes.length < length) {
    throw new DeltaError('bad_format', `a file object is cut off after ${bytes.length} bytes`);
  }
  return bytes;
}

async function* rest(
  queue: ByteQueue,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void> {
  for (;;) {
    checkAborted(signal, 'reading a file object');
    const part = await queue.next();
    if (part === undefined) return;
    yield part;
  }
}

/** The content of a symlink: its `.filez` has no body. */
async function* nothing(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  for await (const part of body) {
    throw new DeltaError('bad_format', `a symlink's object has a body of ${part.length} bytes`);
  }
  yield* [];
}
