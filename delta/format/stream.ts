import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';

import { compressFrame, decompressFrame } from '../../storage/zstd.ts';
import { DeltaError } from '../errors.ts';
import { METHOD, type StreamHead } from './stream-head.ts';

const brotli = promisify(brotliCompress);
const unbrotli = promisify(brotliDecompress);

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

/** Below this brotli is hardly ever longer, and zstd takes 90 MB whatever the length. */
const SHORT_BYTES = 32 * 1024;
/** Long streams that zstd makes hardly smaller are packed or encrypted: brotli would take a second a MB. */
const HARD_BYTES = 256 * 1024;
const HARD_SHARE = 0.99;

/** Compresses a stream with whatever makes it smallest. Copies `raw` when it is stored as it is. */
export async function packStream(raw: Buffer, effort: Effort): Promise<PackedStream> {
  const rawBytes = raw.length;
  if (rawBytes === 0) return { method: METHOD.empty, rawBytes, stored: raw.subarray(0, 0) };
  if (rawBytes < SHORT_BYTES) return smallest(raw, undefined, await compressBrotli(raw, effort));
  const zstd = compressFrame(raw, effort.zstdLevel);
  if (rawBytes >= HARD_BYTES && (await zstd).length > rawBytes * HARD_SHARE) {
    return smallest(raw, await zstd, undefined);
  }
  return smallest(raw, ...(await Promise.all([zstd, compressBrotli(raw, effort)])));
}

function compressBrotli(raw: Buffer, effort: Effort): Promise<Buffer> {
  return brotli(raw, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: effort.brotliQuality,
      [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
      // No larger than the stream needs: the window is memory on the device.
      [constants.BROTLI_PARAM_LGWIN]: Math.min(Math.max(Math.ceil(Math.log2(raw.length)), 10), 24),
    },
  });
}

function smallest(raw: Buffer, zstd: Buffer | undefined, br: Buffer | undefined): PackedStream {
  const rawBytes = raw.length;
  const least = Math.min(zstd?.length ?? rawBytes, br?.length ?? rawBytes);
  if (br !== undefined && least < rawBytes && br.length === least) {
    return { method: METHOD.brotli, rawBytes, stored: br };
  }
  if (zstd !== undefined && least < rawBytes) {
    return { method: METHOD.zstd, rawBytes, stored: zstd };
  }
  return { method: METHOD.stored, rawBytes, stored: Buffer.from(raw) };
}

/** A stream's bytes; exactly as many as its head promised, or `bad_format`. */
export async function unpackStream(head: StreamHead, stored: Buffer): Promise<Buffer> {
  if (head.method === METHOD.empty || head.method === METHOD.stored) return stored;
  let raw: Buffer;
  try {
    raw =
      head.method === METHOD.zstd
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
