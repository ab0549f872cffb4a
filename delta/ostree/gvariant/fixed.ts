import type { FixedCode } from './type.ts';
import type { VariantValue } from './value.ts';

/** The value range of each integer type that is a number here. */
const RANGES = {
  y: [0, 0xff],
  n: [-0x8000, 0x7fff],
  q: [0, 0xffff],
  i: [-0x8000_0000, 0x7fff_ffff],
  h: [-0x8000_0000, 0x7fff_ffff],
  u: [0, 0xffff_ffff],
} as const;

/** Reads a fixed value; undefined when its bytes are none (a boolean neither 0 nor 1). */
export function readFixed(
  code: FixedCode,
  bytes: Buffer,
  at: number,
): number | bigint | boolean | undefined {
  switch (code) {
    case 'y':
      return bytes.readUInt8(at);
    case 'b': {
      const byte = bytes.readUInt8(at);
      return byte > 1 ? undefined : byte === 1;
    }
    case 'n':
      return bytes.readInt16LE(at);
    case 'q':
      return bytes.readUInt16LE(at);
    case 'i':
    case 'h':
      return bytes.readInt32LE(at);
    case 'u':
      return bytes.readUInt32LE(at);
    case 'x':
      return bytes.readBigInt64LE(at);
    case 't':
      return bytes.readBigUInt64LE(at);
    case 'd':
      return bytes.readDoubleLE(at);
  }
}

/** Writes a fixed value at `at`; false when it is not one of that type. */
export function writeFixed(
  code: FixedCode,
  value: VariantValue,
  buffer: Buffer,
  at: number,
): boolean {
  switch (code) {
    case 'b':
      if (typeof value !== 'boolean') return false;
      buffer.writeUInt8(value ? 1 : 0, at);
      return true;
    case 'd':
      if (typeof value !== 'number') return false;
      buffer.writeDoubleLE(value, at);
      return true;
    case 'x':
      if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) return false;
      buffer.writeBigInt64LE(value, at);
      return true;
    case 't':
      if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) return false;
      buffer.writeBigUInt64LE(value, at);
      return true;
    default:
      return writeInteger(code, value, buffer, at);
  }
}

function writeInteger(
  code: keyof typeof RANGES,
  value: VariantValue,
  buffer: Buffer,
  at: number,
): boolean {
  const [least, most] = RANGES[code];
  if (typeof value !== 'number' || !Number.isInteger(value)) return false;
  if (value < least || value > most) return false;
  if (code === 'y') buffer.writeUInt8(value, at);
  else if (code === 'n') buffer.writeInt16LE(value, at);
  else if (code === 'q') buffer.writeUInt16LE(value, at);
  else if (code === 'u') buffer.writeUInt32LE(value, at);
  else buffer.writeInt32LE(value, at);
  return true;
}
