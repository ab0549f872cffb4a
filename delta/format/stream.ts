import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';

import { compressFrame, decompressFrame } from '../../storage/zstd.ts';
import { DeltaError } from '../errors.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { LIMITS } from './limits.ts';

const brotli = promisify(brotliCompress);
const unbrotli = promisify(brotliDecompress);

/** How a stream is stored (FORMAT.md, "Numbers and bounds"). */
const EMPTY = 0;
const STORED = 1;
const ZSTD = 2;
const BROTLI = 3;

/** Compression effort of a profile. */
export interface Effort {
  readonly zstdLevel: number;
  readonly brotliQuality: number;
}

export const EFFORTS = {
  small: { zstdLevel: 19, brotliQuality: 11 },
  fast: { zstdLevel: 9, brotliQuality: 5 },
} as const satisfies Record<string, Effort>;

export interface PackedStream {
  readonly method: number;
  readonly rawBytes: number;
  readonly stored: Uint8Array;
}

/** Compresses a stream with whatever makes it smallest. Copies `raw` when it is stored as it is. */
export async function packStream(raw: Buffer, effort: Effort): Promise<PackedStream> {
  const rawBytes = raw.length;
  if (rawBytes === 0) return { method: EMPTY, rawBytes, stored: raw.subarray(0, 0) };
  const [zstd, br] = await Promise.all([
    compressFrame(raw, effort.zstdLevel),
    brotli(raw, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: effort.brotliQuality,
        [constants.BROTLI_PARAM_SIZE_HINT]: rawBytes,
        // No larger than the stream needs: the window is memory on the device.
        [constants.BROTLI_PARAM_LGWIN]: Math.min(Math.max(Math.ceil(Math.log2(rawBytes)), 10), 24),
      },
    }),
  ]);
  if (br.length < rawBytes && br.length <= zstd.length)
    return { method: BROTLI, rawBytes, stored: br };
  if (zstd.length < rawBytes) return { method: ZSTD, rawBytes, stored: zstd };
  return { method: STORED, rawBytes, stored: Buffer.from(raw) };
}

export function writeStreamHead(to: ByteWriter, stream: PackedStream): void {
  to.byte(stream.method);
  if (stream.method === EMPTY) return;
  to.varint(stream.rawBytes);
  if (stream.method !== STORED) to.varint(stream.stored.length);
}

export interface StreamHead {
  readonly method: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/** Reads and bounds a stream's head; `bad_format` otherwise. */
export function readStreamHead(
  from: ByteReader,
  maxRawBytes: number = LIMITS.streamBytes,
): StreamHead {
  const method = from.byte();
  switch (method) {
    case EMPTY:
      return { method, rawBytes: 0, storedBytes: 0 };
    case STORED: {
      const rawBytes = from.varint(maxRawBytes);
      return { method, rawBytes, storedBytes: rawBytes };
    }
    case ZSTD:
    case BROTLI: {
      const rawBytes = from.varint(maxRawBytes);
      return { method, rawBytes, storedBytes: from.varint(Math.max(rawBytes - 1, 0)) };
    }
    default:
      throw new DeltaError('bad_format', `a stream is stored by the unknown method ${method}`);
  }
}

/** A stream's bytes; exactly as many as its head promised, or `bad_format`. */
export async function unpackStream(head: StreamHead, stored: Buffer): Promise<Buffer> {
  if (head.method === EMPTY || head.method === STORED) return stored;
  let raw: Buffer;
  try {
    raw =
      head.method === ZSTD
        ? await decompressFrame(stored, head.rawBytes)
        : await unbrotli(stored, { maxOutputLength: Math.max(head.rawBytes, 1) });
  } catch (cause) {
    throw new DeltaError('bad_format', `a stream does not decompress: ${String(cause)}`, { cause });
  }
  if (raw.length !== head.rawBytes) {
    throw new DeltaError(
      'bad_format',
      `a stream holds ${raw.length} bytes where ${head.rawBytes} were promised`,
    );
  }
  return raw;
}
