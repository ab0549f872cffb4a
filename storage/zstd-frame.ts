import { StorageError } from './errors.ts';

/** `Magic_Number` of a zstd frame (RFC 8878, 3.1.1), read as little endian. */
export const ZSTD_MAGIC = 0xfd2fb528;
/** A skippable frame's magic is this and any low four bits (RFC 8878, 3.1.2). */
const SKIPPABLE_MAGIC = 0x184d2a50;
/** A block never holds more than this, nor more than the window (RFC 8878, 3.1.1.2.4). */
const MAX_BLOCK = 128 * 1024;
/** Magic, descriptor, window, dictionary id, content size: the longest header, in bytes. */
export const MAX_FRAME_HEADER = 18;
export const BLOCK_HEADER_BYTES = 3;
export const CHECKSUM_BYTES = 4;

/** A zstd frame's header. */
export interface FrameHeader {
  /** Bytes, magic included. */
  readonly length: number;
  /** Bytes of history that a decoder must keep. */
  readonly windowBytes: number;
  /** Bytes the frame says it expands to, when it says so. */
  readonly contentBytes: number | undefined;
  /** A checksum of four bytes follows the last block. */
  readonly checksum: boolean;
  /** The most that any one block may expand to. */
  readonly maxBlock: number;
}

/** A block's header (RFC 8878, 3.1.1.2). */
export interface BlockHeader {
  readonly last: boolean;
  /** Bytes that follow the header. */
  readonly contentBytes: number;
  /** The most that the block may expand to; exact for raw and RLE blocks. */
  readonly maxRaw: number;
}

export function isSkippableMagic(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC;
}

/**
 * How long the header is that begins with these (at least five) bytes. Throws `corrupt` when they do
 * not begin a zstd frame.
 */
export function frameHeaderLength(bytes: Buffer): number {
  if (bytes.length < 5 || bytes.readUInt32LE(0) !== ZSTD_MAGIC) {
    throw new StorageError('corrupt', 'not a zstd frame: no magic number (RFC 8878, 3.1.1)');
  }
  const descriptor = bytes.readUInt8(4);
  const single = (descriptor & 0x20) !== 0;
  return 5 + (single ? 0 : 1) + dictionaryIdBytes(descriptor) + contentSizeBytes(descriptor);
}

/**
 * Reads a frame header (RFC 8878, 3.1.1.1). Throws `corrupt` for a broken one, a reserved bit or a
 * dictionary, and `too_large` for a window beyond `maxWindow`.
 */
export function parseFrameHeader(bytes: Buffer, maxWindow: number): FrameHeader {
  const length = frameHeaderLength(bytes);
  if (bytes.length < length) throw new StorageError('corrupt', 'a zstd frame ends in its header');
  const descriptor = bytes.readUInt8(4);
  if ((descriptor & 0x08) !== 0) {
    throw new StorageError(
      'corrupt',
      'a zstd frame has its reserved bit set (RFC 8878, 3.1.1.1.1)',
    );
  }
  if (dictionaryIdBytes(descriptor) !== 0) {
    throw new StorageError('corrupt', 'a zstd frame needs a dictionary; none is ever used here');
  }
  const contentBytes = readContentSize(bytes, descriptor, length);
  const windowBytes =
    (descriptor & 0x20) === 0 ? windowSize(bytes.readUInt8(5)) : (contentBytes ?? 0);
  if (windowBytes > maxWindow) {
    throw new StorageError(
      'too_large',
      `a zstd frame wants a window of ${windowBytes} bytes, the limit is ${maxWindow}`,
      { detail: { windowBytes, maxWindow } },
    );
  }
  return {
    length,
    windowBytes,
    contentBytes,
    checksum: (descriptor & 0x04) !== 0,
    maxBlock: Math.min(windowBytes, MAX_BLOCK),
  };
}

/** Reads the block header at `offset`; `corrupt` when it is cut off or breaks RFC 8878, 3.1.1.2. */
export function parseBlockHeader(bytes: Buffer, offset: number, frame: FrameHeader): BlockHeader {
  if (offset + BLOCK_HEADER_BYTES > bytes.length) {
    throw new StorageError('corrupt', 'a zstd frame ends before its last block');
  }
  const word = bytes.readUIntLE(offset, BLOCK_HEADER_BYTES);
  const last = (word & 1) === 1;
  const type = (word >> 1) & 3;
  const size = word >>> 3;
  if (type === 3 || size > frame.maxBlock) {
    throw new StorageError(
      'corrupt',
      `a zstd block of type ${type} and ${size} bytes, the most is ${frame.maxBlock}`,
    );
  }
  switch (type) {
    case 0:
      return { last, contentBytes: size, maxRaw: size };
    case 1:
      return { last, contentBytes: 1, maxRaw: size };
    default:
      return { last, contentBytes: size, maxRaw: frame.maxBlock };
  }
}

function dictionaryIdBytes(descriptor: number): number {
  return [0, 1, 2, 4][descriptor & 3] ?? 0;
}

function contentSizeBytes(descriptor: number): number {
  const flag = descriptor >> 6;
  if (flag === 0) return (descriptor & 0x20) === 0 ? 0 : 1;
  return 1 << flag;
}

function readContentSize(
  bytes: Buffer,
  descriptor: number,
  headerLength: number,
): number | undefined {
  const count = contentSizeBytes(descriptor);
  const at = headerLength - count;
  switch (count) {
    case 0:
      return undefined;
    case 1:
      return bytes.readUInt8(at);
    case 2:
      return bytes.readUInt16LE(at) + 256;
    case 4:
      return bytes.readUInt32LE(at);
    default:
      return Number(bytes.readBigUInt64LE(at));
  }
}

/** RFC 8878, 3.1.1.1.2. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}
