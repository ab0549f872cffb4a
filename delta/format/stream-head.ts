import { DeltaError } from '../errors.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { LIMITS } from './limits.ts';

/** How a stream is stored (FORMAT.md, "Numbers and bounds"). */
export const METHOD = { empty: 0, stored: 1, zstd: 2, brotli: 3 } as const;

export interface StreamHead {
  readonly method: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

export const EMPTY_STREAM: StreamHead = { method: METHOD.empty, rawBytes: 0, storedBytes: 0 };

/** Reads and bounds a stream's head as version 1 writes it; `bad_format` otherwise. */
export function readStreamHead(
  from: ByteReader,
  maxRawBytes: number = LIMITS.streamBytes,
): StreamHead {
  const method = from.byte();
  if (method === METHOD.empty) return EMPTY_STREAM;
  if (method > METHOD.brotli) throw unknownMethod(method);
  return rest(from, method, from.varint(maxRawBytes));
}

/** The head of a stream that is not empty: method and length in one number. */
export function writeShortHead(
  to: ByteWriter,
  stream: { readonly method: number; readonly rawBytes: number; readonly stored: Uint8Array },
): void {
  to.varint(stream.rawBytes * 4 + stream.method);
  if (stream.method !== METHOD.stored) to.varint(stream.stored.length);
}

/** Reads and bounds what {@link writeShortHead} wrote; `bad_format` otherwise. */
export function readShortHead(
  from: ByteReader,
  maxRawBytes: number = LIMITS.streamBytes,
): StreamHead {
  const head = from.varint(maxRawBytes * 4 + METHOD.brotli);
  const method = head % 4;
  const rawBytes = (head - method) / 4;
  if (method === METHOD.empty || rawBytes === 0) throw unknownMethod(head);
  return rest(from, method, rawBytes);
}

function rest(from: ByteReader, method: number, rawBytes: number): StreamHead {
  if (method === METHOD.stored) return { method, rawBytes, storedBytes: rawBytes };
  return { method, rawBytes, storedBytes: from.varint(Math.max(rawBytes - 1, 0)) };
}

function unknownMethod(method: number): DeltaError {
  return new DeltaError('bad_format', `a stream is stored by the unknown method ${method}`);
}
