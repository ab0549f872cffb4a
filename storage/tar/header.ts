/** One 512-byte tar block read as a header (POSIX.1-1988 ustar, GNU and PAX). Offsets are in bytes. */
export interface TarHeader {
  /** Prefix and name joined, as raw bytes. */
  readonly name: Buffer;
  readonly size: number;
  /** ASCII: `0` file, `5` directory, `L` GNU long name, `x` PAX, `g` PAX global, `S` GNU sparse... */
  readonly type: string;
  readonly block: Buffer;
}

export const BLOCK_BYTES = 512;
const SLASH = Buffer.from('/');

/** Undefined for anything that is no header: a wrong checksum, a size that is no number. */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  if (block.length !== BLOCK_BYTES || !hasChecksum(block)) return undefined;
  const size = parseNumber(block.subarray(124, 136));
  if (size === undefined) return undefined;
  const name = untilZero(block.subarray(0, 100));
  const isUstar = block.subarray(257, 263).equals(Buffer.from('ustar\0'));
  const prefix = isUstar ? untilZero(block.subarray(345, 500)) : Buffer.alloc(0);
  return {
    name: prefix.length === 0 ? name : Buffer.concat([prefix, SLASH, name]),
    size,
    type: String.fromCharCode(block[156] ?? 0),
    block,
  };
}

export function isZeroBlock(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** Sum of all bytes, those of the checksum itself as spaces; old writers summed signed bytes. */
function hasChecksum(block: Buffer): boolean {
  const stored = parseNumber(block.subarray(148, 156));
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return stored === unsigned || stored === signed;
}

/** An octal field, or a base-256 one when its first bit is set; undefined when it is neither. */
export function parseNumber(field: Buffer): number | undefined {
  const first = field[0] ?? 0;
  if (first >= 0x80) {
    let value = first & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const text = untilZero(field).toString('latin1').trim();
  if (!/^[0-7]*$/.test(text)) return undefined;
  return text === '' ? 0 : Number.parseInt(text, 8);
}

export function untilZero(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}
