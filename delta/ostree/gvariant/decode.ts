import { DeltaError } from '../../errors.ts';
import { readFixed } from './fixed.ts';
import { leastWidth, offsetWidth, type OffsetWidth } from './framing.ts';
import { VARIANT_LIMITS } from './limits.ts';
import { fault, VariantReader } from './reader.ts';
import { textFault, utf8Text } from './text.ts';
import {
  parseType,
  type ArrayType,
  type FixedType,
  type MaybeType,
  type TextType,
  type TupleType,
  type VariantBoxType,
  type VariantType,
} from './type.ts';
import type { Variant, VariantValue } from './value.ts';

/**
 * Reads a little-endian value. Only the normal form is taken (GVariant specification 1.0, section
 * 2.7), so that what decodes encodes to the same bytes again, a NaN's payload aside; anything else
 * throws `bad_format`, naming the type and the byte. `too_large` past {@link VARIANT_LIMITS}.
 * Byte arrays are views into `bytes`. Stricter than GLib 2.74 in one thing: no bytes at all are no
 * tuple of members that can be empty, since encoding it writes framing offsets.
 */
export function decodeVariant(type: string, bytes: Uint8Array): VariantValue {
  const parsed = parseType(type);
  if (bytes.length > VARIANT_LIMITS.bytes) {
    throw new DeltaError('too_large', `GVariant ${type}: ${bytes.length} bytes`);
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return new Decoder(buffer).value(parsed, 0, bytes.length, 0);
}

class Decoder {
  readonly #bytes: VariantReader;
  /** Elements of arrays so far. */
  #elements = 0;

  constructor(bytes: Buffer) {
    this.#bytes = new VariantReader(bytes);
  }

  /** The value in `[start, end)`; `start` is aligned, `depth` counts the levels above. */
  value(type: VariantType, start: number, end: number, depth: number): VariantValue {
    if (type.fixedSize !== undefined && end - start !== type.fixedSize) {
      throw fault(type, start, `${end - start} bytes where it takes ${type.fixedSize}`);
    }
    switch (type.kind) {
      case 'fixed':
        return this.#fixed(type, start);
      case 'text':
        return this.#text(type, start, end);
      case 'variant':
        return this.#box(type, start, end, depth);
      case 'maybe':
        return this.#maybe(type, start, end, depth);
      case 'array':
        return this.#array(type, start, end, depth);
      case 'tuple':
        return this.#tuple(type, start, end, depth);
    }
  }

  #fixed(type: FixedType, start: number): VariantValue {
    const value = readFixed(type.code, this.#bytes.buffer, start);
    if (value === undefined) throw fault(type, start, 'neither 0 nor 1');
    return value;
  }

  #text(type: TextType, start: number, end: number): string {
    if (end === start || this.#bytes.buffer[end - 1] !== 0)
      throw fault(type, end, 'no NUL at its end');
    const text = utf8Text(this.#bytes.buffer.subarray(start, end - 1));
    if (text === undefined) throw fault(type, start, 'not UTF-8');
    const problem = textFault(type.code, text);
    if (problem !== undefined) throw fault(type, start, problem);
    return text;
  }

  #box(type: VariantBoxType, start: number, end: number, depth: number): Variant {
    const longest = VARIANT_LIMITS.typeLength + 1;
    const tail = this.#bytes.buffer.subarray(Math.max(start, end - longest), end);
    const nul = tail.lastIndexOf(0);
    if (nul < 0) throw fault(type, start, 'no type at its end');
    const text = tail.toString('latin1', nul + 1);
    const inner = parseType(text);
    if (depth + 1 + inner.depth > VARIANT_LIMITS.depth) {
      throw fault(type, start, `nested past ${VARIANT_LIMITS.depth} levels`);
    }
    const innerEnd = end - tail.length + nul;
    return { type: text, value: this.value(inner, start, innerEnd, depth + 1) };
  }

  #maybe(type: MaybeType, start: number, end: number, depth: number): VariantValue {
    if (start === end) return undefined;
    if (type.element.fixedSize !== undefined)
      return this.value(type.element, start, end, depth + 1);
    if (this.#bytes.buffer[end - 1] !== 0) throw fault(type, end, 'no zero byte at its end');
    return this.value(type.element, start, end - 1, depth + 1);
  }

  #array(type: ArrayType, start: number, end: number, depth: number): VariantValue {
    if (type.element.text === 'y') return this.#bytes.buffer.subarray(start, end);
    if (start === end) return [];
    return type.element.fixedSize === undefined
      ? this.#framedArray(type, start, end, depth)
      : this.#fixedArray(type, type.element.fixedSize, start, end, depth);
  }

  #fixedArray(
    type: ArrayType,
    size: number,
    start: number,
    end: number,
    depth: number,
  ): VariantValue {
    if ((end - start) % size !== 0) {
      throw fault(type, start, `${end - start} bytes are no whole number of ${size}`);
    }
    this.#count((end - start) / size);
    const values: VariantValue[] = [];
    for (let at = start; at < end; at += size) {
      values.push(this.value(type.element, at, at + size, depth + 1));
    }
    return values;
  }

  /** Elements, then the end of each as a table, whose start is the last end (section 2.5.3). */
  #framedArray(type: ArrayType, start: number, end: number, depth: number): VariantValue {
    const width = offsetWidth(end - start);
    const body = this.#bytes.offset(end - width, width);
    const tableBytes = end - start - body;
    if (tableBytes < width || tableBytes % width !== 0) {
      throw fault(type, end - width, `the last offset, ${body}, is out of range`);
    }
    this.#checkWidth(type, body, tableBytes / width, width, end);
    this.#count(tableBytes / width);
    const values: VariantValue[] = [];
    let at = start;
    for (let entry = start + body; entry < end; entry += width) {
      const elementEnd = start + this.#bytes.offset(entry, width);
      at = this.#bytes.skipPadding(type, at, type.element.alignment, start + body);
      if (elementEnd < at || elementEnd > start + body) {
        throw fault(type, entry, `the offset ${elementEnd - start} is out of order`);
      }
      values.push(this.value(type.element, at, elementEnd, depth + 1));
      at = elementEnd;
    }
    return values;
  }

  #tuple(type: TupleType, start: number, end: number, depth: number): VariantValue {
    const width = offsetWidth(end - start);
    const body = end - type.framed * width;
    if (body < start) throw fault(type, start, 'too short for its offsets');
    let at = start;
    let entry = end;
    const values = type.members.map((member, position) => {
      at = this.#bytes.skipPadding(type, at, member.alignment, body);
      let memberEnd = body;
      if (member.fixedSize !== undefined) {
        memberEnd = at + member.fixedSize;
      } else if (position < type.members.length - 1) {
        entry -= width;
        memberEnd = start + this.#bytes.offset(entry, width);
      }
      if (memberEnd < at || memberEnd > body) {
        throw fault(type, at, `member ${position} ends at ${memberEnd - start}, out of range`);
      }
      const value = this.value(member, at, memberEnd, depth + 1);
      at = memberEnd;
      return value;
    });
    if (type.fixedSize !== undefined) at = this.#bytes.skipZeros(type, at, end);
    if (at !== body) throw fault(type, at, `${body - at} bytes too many`);
    this.#checkWidth(type, body - start, type.framed, width, end);
    return values;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (this.#elements > VARIANT_LIMITS.elements) {
      throw new DeltaError('too_large', `GVariant: over ${VARIANT_LIMITS.elements} array elements`);
    }
  }

  #checkWidth(
    type: VariantType,
    bodyBytes: number,
    offsets: number,
    width: OffsetWidth,
    at: number,
  ): void {
    if (offsets > 0 && leastWidth(bodyBytes, offsets) !== width) {
      throw fault(type, at, `offsets of ${width} bytes are wider than needed`);
    }
  }
}
