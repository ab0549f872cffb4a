import { ByteReader, ByteWriter } from '../chunk/bytes.ts';
import { digestBytes, digestFromBytes, type Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import type { ByteRange } from '../object-store.ts';

/** A run of a composite blob's bytes. */
export interface CompositePart {
  /** The blob that holds them. */
  readonly blob: Digest;
  /** First byte there. */
  readonly offset: number;
  readonly length: number;
}

/** What a composite blob is made of, in order. LAYOUT.md, "Composite", describes every byte. */
export interface CompositeMap {
  /** Bytes of the composite. */
  readonly size: number;
  readonly parts: readonly CompositePart[];
}

const MAGIC = Buffer.from('rvcompo\x01', 'latin1');
const MAX_BLOBS = 2 ** 16;
const MAX_PARTS = 2 ** 21;
/** The most that a map takes: bounds reads. */
export const MAX_MAP_BYTES = 64 * 1024 * 1024;

/** A part of a blob whose digest is known only at the end has none yet. */
type OpenPart = Omit<CompositePart, 'blob'> & { readonly blob: Digest | undefined };

/** Gathers parts, joining what follows each other in one blob: the same bytes give the same map. */
export class CompositeMapBuilder {
  readonly #parts: OpenPart[] = [];
  #size = 0;

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends a run of a blob; without its digest, of the one that {@link finish} is told. */
  add(blob: Digest | undefined, offset: number, length: number): void {
    if (length === 0) return;
    this.#size += length;
    const last = this.#parts.at(-1);
    if (last !== undefined && last.blob === blob && last.offset + last.length === offset) {
      this.#parts[this.#parts.length - 1] = { ...last, length: last.length + length };
    } else {
      this.#parts.push({ blob, offset, length });
    }
  }

  finish(unnamed: Digest): CompositeMap {
    const parts = this.#parts.map(({ blob, ...place }) => ({ ...place, blob: blob ?? unnamed }));
    return { size: this.#size, parts };
  }
}

export function formatCompositeMap(map: CompositeMap): Buffer {
  const blobs = new Map<Digest, number>();
  for (const { blob } of map.parts) {
    if (!blobs.has(blob)) blobs.set(blob, blobs.size);
  }
  if (blobs.size > MAX_BLOBS || map.parts.length > MAX_PARTS) {
    throw new StorageError(
      'too_large',
      `a composite of ${map.parts.length} parts of ${blobs.size} blobs; the most are ${MAX_PARTS} of ${MAX_BLOBS}`,
    );
  }
  const out = new ByteWriter();
  out.bytes(MAGIC);
  out.varint(map.size);
  out.varint(blobs.size);
  for (const blob of blobs.keys()) out.bytes(digestBytes(blob));
  out.varint(map.parts.length);
  for (const { blob, offset, length } of map.parts) {
    out.varint(blobs.get(blob) ?? 0);
    out.varint(offset);
    out.varint(length);
  }
  return out.take();
}

/** Reads what {@link formatCompositeMap} writes; `corrupt` for anything whose lengths do not add up. */
export function parseCompositeMap(bytes: Buffer): CompositeMap {
  const reader = new ByteReader(bytes, 'composite map');
  if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw broken('no magic number');
  const size = reader.varint();
  const blobs = Array.from({ length: reader.count(MAX_BLOBS, 32) }, () =>
    digestFromBytes(reader.bytes(32)),
  );
  const parts: CompositePart[] = [];
  let sum = 0;
  for (let left = reader.count(MAX_PARTS, 3); left > 0; left -= 1) {
    const number = reader.varint();
    const blob = blobs[number];
    if (blob === undefined) throw broken(`there is no blob ${number}`);
    const offset = reader.varint();
    const length = reader.varint();
    if (length === 0) throw broken('a part is empty');
    sum += length;
    parts.push({ blob, offset, length });
  }
  reader.end();
  if (sum !== size) throw broken(`parts of ${sum} bytes where ${size} are told`);
  return { size, parts };
}

/** The runs that make up a range inside the composite. */
export function partsOf(
  { parts }: CompositeMap,
  starts: Float64Array,
  range: ByteRange,
): readonly CompositePart[] {
  const found: CompositePart[] = [];
  for (let at = firstPart(starts, range.start); at < parts.length; at += 1) {
    const part = parts[at];
    const start = starts[at] ?? Infinity;
    if (part === undefined || start >= range.endExclusive) break;
    const from = Math.max(range.start - start, 0);
    const to = Math.min(range.endExclusive - start, part.length);
    found.push({ blob: part.blob, offset: part.offset + from, length: to - from });
  }
  return found;
}

/** Where each part begins in the composite. */
export function startsOf({ parts }: CompositeMap): Float64Array {
  const starts = new Float64Array(parts.length);
  let at = 0;
  for (const [index, { length }] of parts.entries()) {
    starts[index] = at;
    at += length;
  }
  return starts;
}

/** The last part that begins at that byte or before. */
function firstPart(starts: Float64Array, byte: number): number {
  let [low, high] = [0, starts.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? Infinity) <= byte) low = middle;
    else high = middle;
  }
  return low;
}

function broken(why: string): StorageError {
  return new StorageError('corrupt', `composite map: ${why}`);
}
