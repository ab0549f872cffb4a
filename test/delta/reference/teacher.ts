import type { BitReader, BitSource } from './bit-reader.ts';
import type { Bytes } from './bytes.ts';

/** Old code that the literal models learn from as if they had decoded it. */
export interface Teacher {
  readonly bytes: Bytes;
  /** Old address of the first byte. */
  readonly address: number;
}

/** Where a symbol's bits come from: the teacher knows it, or they are read. */
export function symbolSource(
  reader: BitReader,
  teacher: Teacher | undefined,
  symbol: (teacher: Teacher) => number,
  width: number,
): BitSource {
  if (!teacher) return reader.next;
  const known = symbol(teacher);
  let bit = width;
  return () => (known >>> --bit) & 1;
}
