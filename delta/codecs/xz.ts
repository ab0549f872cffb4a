import lzma from 'lzma-native';

import type { ByteSource, IoOptions } from '../../storage/object-store.ts';
import { checkAborted, DeltaError } from '../errors.ts';
import { XzCoder, type XzStep } from './xz-coder.ts';

/** The largest dictionary of any preset (-9), and so what a decoder has to be ready for. */
const MAX_DICTIONARY_BYTES = 64 * 1024 * 1024;
/** What liblzma's decoder takes beside its dictionary, and room for its other filters. */
const DECODER_BYTES = 1024 * 1024;
/** Pieces fed to an encoder: a signal is looked at between two. */
const ENCODER_PIECE_BYTES = 256 * 1024;
/**
 * Pieces fed to a decoder, which makes all that a piece expands to at once: LZMA expands by 7,100 at
 * most, so this makes less than 32 MiB.
 */
const DECODER_PIECE_BYTES = 4 * 1024;

export interface XzOptions extends IoOptions {
  /** 0 to 9, as `xz -0` to `xz -9`. */
  readonly preset: number;
}

/**
 * Compresses bytes into one .xz stream (file format 1.0.4) of one block with a CRC64, as `xz` does; the
 * same bytes for the same input. Throws `bad_format` for options that are none, `aborted`.
 */
export async function* compressXz(source: ByteSource, options: XzOptions): AsyncGenerator<Buffer> {
  const { preset, signal } = options;
  if (!Number.isInteger(preset) || preset < 0 || preset > 9) {
    throw new DeltaError('bad_format', `xz: ${preset} is no preset from 0 to 9`);
  }
  const filter = { id: lzma.FILTER_LZMA2, options: { preset } };
  const coder = XzCoder.start((native) => {
    native.streamEncoder_([filter], lzma.CHECK_CRC64);
  });
  for await (const bytes of source) {
    for (const piece of piecesOf(bytes, ENCODER_PIECE_BYTES)) {
      checkAborted(signal, 'compressing');
      yield* (await coder.step(piece)).pieces;
    }
  }
  checkAborted(signal, 'compressing');
  yield* (await coder.step(null)).pieces;
}

export interface UnxzOptions extends IoOptions {
  /** The most bytes that may come out. */
  readonly maxBytes: number;
}

/**
 * Decompresses exactly one .xz stream. Throws `too_large` as soon as more than `maxBytes` come out and
 * for a dictionary of more than 64 MiB; `bad_format` for a broken or cut off stream and for any byte
 * after it, be it padding or another stream; `aborted`. Errors of the source pass through.
 */
export async function* decompressXz(
  source: ByteSource,
  { maxBytes, signal }: UnxzOptions,
): AsyncGenerator<Buffer> {
  const coder = XzCoder.start((native) => {
    native.streamDecoder_(MAX_DICTIONARY_BYTES + DECODER_BYTES, 0);
  });
  const total = { fed: 0, made: 0 };
  const check = (step: XzStep): XzStep => {
    for (const { length } of step.pieces) total.made += length;
    if (total.made > maxBytes) {
      throw new DeltaError('too_large', `xz: more than the ${maxBytes} bytes that are allowed`);
    }
    // The coder drops what stands after the end in the piece that holds the end.
    if (step.hasEnded && step.totalIn !== total.fed) throw trailing();
    return step;
  };
  let hasEnded = false;
  for await (const bytes of source) {
    for (const piece of piecesOf(bytes, DECODER_PIECE_BYTES)) {
      checkAborted(signal, 'decompressing');
      if (hasEnded) throw trailing();
      total.fed += piece.length;
      const step = check(await coder.step(piece));
      hasEnded = step.hasEnded;
      yield* step.pieces;
    }
  }
  if (!hasEnded) yield* check(await coder.step(null)).pieces;
}

function trailing(): DeltaError {
  return new DeltaError('bad_format', 'xz: bytes follow the end of the stream');
}

function* piecesOf(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}
