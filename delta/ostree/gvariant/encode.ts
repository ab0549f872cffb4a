import { DeltaError } from '../../errors.ts';
import { writeFixed } from './fixed.ts';
import { leastWidth } from './framing.ts';
import { VARIANT_LIMITS } from './limits.ts';
import { textFault } from './text.ts';
import {
  parseType,
  type ArrayType,
  type FixedType,
  type TextType,
  type TupleType,
  type VariantType,
} from './type.ts';
import { isList, isVariant, type VariantValue } from './value.ts';
import { VariantWriter } from './writer.ts';

/**
 * The little-endian bytes of a value, in normal form (GVariant specification 1.0, section 2.5 and
 * 2.7). Throws `bad_format` for a type that is none and for a value that is not of that type;
 * `too_large` past {@link VARIANT_LIMITS.bytes}.
 */
export function encodeVariant(type: string, value: VariantValue): Buffer {
  const writer = new VariantWriter();
  write(writer, parseType(type), value, 0);
  return writer.take();
}

/** `depth` counts the levels above the value. */
function write(to: VariantWriter, type: VariantType, value: VariantValue, depth: number): void {
  to.align(type.alignment);
  switch (type.kind) {
    case 'fixed':
      writeNumber(to, type, value);
      return;
    case 'text':
      writeText(to, type, value);
      return;
    case 'variant':
      writeBox(to, type, value, depth);
      return;
    case 'maybe':
      if (value === undefined) return;
      write(to, type.element, value, depth + 1);
      if (type.element.fixedSize === undefined) to.byte(0);
      return;
    case 'array':
      writeArray(to, type, value, depth);
      return;
    case 'tuple':
      writeTuple(to, type, value, depth);
  }
}

function writeNumber(to: VariantWriter, type: FixedType, value: VariantValue): void {
  const { buffer, at } = to.grow(type.fixedSize);
  if (!writeFixed(type.code, value, buffer, at)) throw misfit(type, value);
}

function writeText(to: VariantWriter, type: TextType, value: VariantValue): void {
  if (typeof value !== 'string') throw misfit(type, value);
  const problem = textFault(type.code, value);
  if (problem !== undefined) {
    throw new DeltaError(
      'bad_format',
      `GVariant ${type.text}: ${JSON.stringify(value.slice(0, 100))} ${problem}`,
    );
  }
  to.bytes(Buffer.from(value, 'utf8'));
  to.byte(0);
}

function writeBox(to: VariantWriter, type: VariantType, value: VariantValue, depth: number): void {
  if (!isVariant(value)) throw misfit(type, value);
  const inner = parseType(value.type);
  if (depth + 1 + inner.depth > VARIANT_LIMITS.depth) {
    throw new DeltaError('bad_format', `a GVariant is nested past ${VARIANT_LIMITS.depth} levels`);
  }
  write(to, inner, value.value, depth + 1);
  to.byte(0);
  to.bytes(Buffer.from(inner.text, 'latin1'));
}

function writeArray(to: VariantWriter, type: ArrayType, value: VariantValue, depth: number): void {
  if (type.element.text === 'y') {
    if (!(value instanceof Uint8Array)) throw misfit(type, value);
    to.bytes(value);
    return;
  }
  if (!isList(value)) throw misfit(type, value);
  const start = to.length;
  const ends: number[] = [];
  for (const element of value) {
    write(to, type.element, element, depth + 1);
    if (type.element.fixedSize === undefined) ends.push(to.length - start);
  }
  writeOffsets(to, start, ends);
}

function writeTuple(to: VariantWriter, type: TupleType, value: VariantValue, depth: number): void {
  if (!isList(value) || value.length !== type.members.length) throw misfit(type, value);
  const start = to.length;
  const ends: number[] = [];
  type.members.forEach((member, position) => {
    write(to, member, value[position], depth + 1);
    if (member.fixedSize === undefined) ends.push(to.length - start);
  });
  if (type.fixedSize !== undefined) {
    to.grow(start + type.fixedSize - to.length);
    return;
  }
  // The end of a last variable member is where the offsets begin, so it is not written.
  writeOffsets(to, start, ends.slice(0, type.framed).reverse());
}

function writeOffsets(to: VariantWriter, start: number, ends: readonly number[]): void {
  const width = leastWidth(to.length - start, ends.length);
  for (const end of ends) to.offset(end, width);
}

function misfit(type: VariantType, value: VariantValue): DeltaError {
  return new DeltaError(
    'bad_format',
    `GVariant ${type.text}: ${nameOf(value)} is not of that type`,
  );
}

function nameOf(value: VariantValue): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (isList(value)) return `a list of ${value.length}`;
  return typeof value === 'object' ? `a variant ${value.type}` : String(value).slice(0, 100);
}
