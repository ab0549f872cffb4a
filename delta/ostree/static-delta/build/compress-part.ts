import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

import type { IoOptions } from '../../../../storage/object-store.ts';
import { checkAborted } from '../../../errors.ts';
import { DeltaKernel } from './delta-kernel.ts';
import type { BuiltPayload } from './part-builder.ts';
import { xzHead, xzTail } from './xz-file.ts';

/** The kernel takes at most this many bytes at once (delta/kernel/lzma/window.ts). */
const PIECE_BYTES = 256 * 1024;
/** What a decoder holds at most: as much as the stock command's parts (preset 8) ask for. */
const MOST_DICTIONARY_BYTES = 32 * 1024 * 1024;
const LEAST_DICTIONARY_BYTES = 64 * 1024;

export interface CompressPartOptions extends IoOptions {
  /** What a decoder holds at most: a power of two from 64 KiB on. 32 MiB when absent. */
  readonly dictionaryBytes?: number | undefined;
}

/**
 * Compresses a payload into one .xz stream by the kernel's own encoder (delta/kernel/lzma), which looks at
 * bytes other than 0 only: for streams of bsdiff it makes some 5 % less than liblzma's preset 6. The same
 * bytes for the same payload, in whatever pieces it comes. Throws `aborted`; `budget` without memory.
 */
export async function* compressPart(
  module: WebAssembly.Module,
  payload: Pick<BuiltPayload, 'size' | 'pieces'>,
  { signal, dictionaryBytes = MOST_DICTIONARY_BYTES }: CompressPartOptions,
): AsyncGenerator<Buffer> {
  const dictionary = dictionaryFor(payload.size, dictionaryBytes);
  const kernel = new DeltaKernel(module);
  kernel.call('openLzma', dictionary);
  yield xzHead(dictionary);
  let check = 0;
  let bytes = 0;
  let coded = 0;
  const code = (piece: Uint8Array, isLast: boolean): Buffer => {
    kernel.bytes(kernel.call('lzmaInput'), piece.length).set(piece);
    const length = kernel.call('codeLzma', piece.length, Number(isLast));
    coded += length;
    return Buffer.from(kernel.bytes(kernel.call('lzmaOutput'), length));
  };
  for await (const piece of payload.pieces()) {
    check = crc32(piece, check);
    bytes += piece.length;
    for (let at = 0; at < piece.length; at += PIECE_BYTES) {
      // Others have a turn between two pieces.
      await setImmediate();
      checkAborted(signal, 'compressing');
      yield code(piece.subarray(at, at + PIECE_BYTES), false);
    }
  }
  yield code(Buffer.alloc(0), true);
  yield xzTail(coded, bytes, check);
}

function dictionaryFor(bytes: number, most: number): number {
  let dictionary = LEAST_DICTIONARY_BYTES;
  while (dictionary < Math.min(bytes, most)) dictionary *= 2;
  return dictionary;
}
