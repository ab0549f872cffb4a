import type { Readable } from 'node:stream';

import { StorageError } from '../errors.ts';
import { isSkippableMagic, ZSTD_MAGIC } from '../zstd-frame.ts';
import { ByteQueue } from './byte-queue.ts';
import { gunzip } from './gunzip.ts';
import { unzstd } from './unzstd.ts';

export interface LayerOptions {
  /** The most that the layer may expand to: the guard against bombs, `too_large` beyond. */
  readonly maxRawBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The uncompressed bytes of a layer blob, in order and in bounded memory. Gzip (RFC 1952) and zstd
 * (RFC 8878) are told by their magic numbers, anything else is passed on as it is; no bytes are an
 * empty layer. Media types are not asked: they lie more often.
 *
 * Throws `corrupt` for a broken or cut off stream, `too_large`, `aborted`; the source's own errors
 * pass through. The source is destroyed however it ends, once iteration has begun.
 */
export async function* openLayer(source: Readable, options: LayerOptions): AsyncIterable<Buffer> {
  const { maxRawBytes, signal } = options;
  const abort = (): void => {
    source.destroy(aborted());
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    checkSignal(signal);
    let size = 0;
    for await (const part of decode(source)) {
      checkSignal(signal);
      size += part.length;
      if (size > maxRawBytes) {
        throw new StorageError('too_large', `the layer expands beyond ${maxRawBytes} bytes`, {
          detail: { maxRawBytes },
        });
      }
      yield Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    }
  } catch (error) {
    checkSignal(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    source.destroy();
  }
}

async function* decode(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const queue = new ByteQueue(source, 'layer');
  const magic = await queue.peek(4);
  const word = magic.length < 4 ? 0 : magic.readUInt32LE(0);
  if (magic.length >= 2 && magic.readUInt16BE(0) === 0x1f8b) yield* gunzip(rest(queue));
  else if (word === ZSTD_MAGIC || isSkippableMagic(word)) yield* unzstd(queue);
  else yield* rest(queue);
}

async function* rest(queue: ByteQueue): AsyncIterable<Buffer> {
  for (;;) {
    const part = await queue.next();
    if (part === undefined) return;
    yield part;
  }
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal.reason);
}

function aborted(cause?: unknown): StorageError {
  return new StorageError('aborted', 'opening a layer was aborted', { cause });
}
