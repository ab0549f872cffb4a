import { StorageError } from './errors.ts';
import { zstdBinding } from './zstd-binding.ts';
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  parseBlockHeader,
  parseFrameHeader,
} from './zstd-frame.ts';

/** The most that one frame may hold: memory for one frame is the unit of work on a device. */
export const MAX_FRAME_RAW_BYTES = 64 * 1024 * 1024;
/**
 * The window that every decoder is asked to support (RFC 8878, 3.1.1.1.2), and the largest that
 * levels up to 19 use. Levels 20 to 22 would ask up to 128 MiB of a device.
 */
const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
export const MAX_LEVEL = 19;

/**
 * How far a frame's upper bound may lie above the promised length. Each compressed block counts as
 * 128 KiB, whatever it holds, and levels above 15 split blocks: level 19 makes 2.6 of one on
 * binaries. Four of one, and 256 blocks for small frames, leave room; what a lying frame can make
 * the decoder allocate stays within it.
 */
const SPLIT_FACTOR = 4;
const SPLIT_SLACK_BYTES = 32 * 1024 * 1024;

/**
 * Compresses bytes into one zstd frame on libuv's thread pool. `level` is 1 to 19; the frame carries
 * neither content size nor checksum (a digest guards every use). Throws `too_large` past
 * {@link MAX_FRAME_RAW_BYTES}, `invalid_name` for another level.
 */
export async function compressFrame(raw: Uint8Array, level: number): Promise<Buffer> {
  checkRawLength(raw.length);
  if (!Number.isInteger(level) || level < 1 || level > MAX_LEVEL) {
    throw new StorageError('invalid_name', `zstd level ${level} is not between 1 and ${MAX_LEVEL}`);
  }
  const { compress } = await zstdBinding();
  return compress(asBuffer(raw), level);
}

/**
 * Decompresses exactly one zstd frame that must hold exactly `rawLength` bytes.
 *
 * The decoder allocates whatever a frame expands to, so the frame's headers are walked first and
 * bound that. Throws `corrupt` for anything but one well-formed frame without dictionary, for
 * trailing bytes and for another length; `too_large` for a window or an expansion beyond the bounds.
 */
export async function decompressFrame(frame: Uint8Array, rawLength: number): Promise<Buffer> {
  checkFrame(frame, rawLength);
  const bytes = asBuffer(frame);
  const { decompress } = await zstdBinding();
  let raw: Buffer;
  try {
    raw = await decompress(bytes);
  } catch (cause) {
    throw new StorageError('corrupt', `a zstd frame does not decode: ${String(cause)}`, { cause });
  }
  if (raw.length !== rawLength) throw wrongLength(rawLength, raw.length);
  return raw;
}

/** Walks a frame's headers without decoding it; throws as {@link decompressFrame} says. */
export function checkFrame(frame: Uint8Array, rawLength: number): void {
  checkRawLength(rawLength);
  const bound = frameBound(asBuffer(frame), rawLength);
  if (bound < rawLength) throw wrongLength(rawLength, `at most ${bound}`);
}

/** The most that the frame can expand to; throws as {@link decompressFrame} says. */
function frameBound(bytes: Buffer, rawLength: number): number {
  const header = parseFrameHeader(bytes, MAX_WINDOW_BYTES);
  if (header.contentBytes !== undefined && header.contentBytes !== rawLength) {
    throw wrongLength(rawLength, header.contentBytes);
  }
  const limit = rawLength * SPLIT_FACTOR + SPLIT_SLACK_BYTES;
  let at = header.length;
  let bound = 0;
  for (let last = false; !last;) {
    const block = parseBlockHeader(bytes, at, header);
    at += BLOCK_HEADER_BYTES + block.contentBytes;
    bound += block.maxRaw;
    last = block.last;
    if (bound > limit) {
      throw new StorageError(
        'too_large',
        `a zstd frame may expand beyond ${limit} bytes where ${rawLength} were promised`,
        { detail: { rawLength, limit } },
      );
    }
  }
  if (header.checksum) at += CHECKSUM_BYTES;
  if (at !== bytes.length) {
    throw new StorageError(
      'corrupt',
      `a zstd frame of ${at} bytes in ${bytes.length}: ${at > bytes.length ? 'it is cut off' : 'bytes follow it'}`,
    );
  }
  return bound;
}

function checkRawLength(rawLength: number): void {
  if (!Number.isSafeInteger(rawLength) || rawLength < 0 || rawLength > MAX_FRAME_RAW_BYTES) {
    throw new StorageError(
      'too_large',
      `a zstd frame of ${rawLength} bytes, the limit is ${MAX_FRAME_RAW_BYTES}`,
      { detail: { rawLength, limit: MAX_FRAME_RAW_BYTES } },
    );
  }
}

function wrongLength(expected: number, actual: number | string): StorageError {
  return new StorageError(
    'corrupt',
    `a zstd frame holds ${actual} bytes where ${expected} were promised`,
    { detail: { expected, actual } },
  );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
