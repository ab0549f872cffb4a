import type { ByteRange } from '../../storage/object-store.ts';

/** More ranges than this in one header are refused (podman then halves its ranges). */
export const MAX_RANGES = 1024;

/** How a Range header is to be answered. */
export type RangeAnswer =
  /** No header, or one to be ignored: another unit, bad syntax, or far more bytes than there are. */
  | { readonly kind: 'whole' }
  | { readonly kind: 'single'; readonly range: ByteRange }
  /** Several were asked; one or more can be satisfied, in the order asked. */
  | { readonly kind: 'multi'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'too_many' };

const WHOLE = { kind: 'whole' } as const;

/**
 * Reads a Range header (RFC 9110, 14.2) for an object of `size` bytes. Ranges are clamped to the
 * object, never sorted and never merged. A last byte before the first is unsatisfiable, which the
 * RFC allows and the OCI conformance suite wants.
 */
export function parseRange(header: string | undefined, size: number): RangeAnswer {
  if (header === undefined) return WHOLE;
  const match = /^bytes=(.*)$/i.exec(header.trim());
  if (match?.[1] === undefined) return WHOLE;
  const specs = match[1]
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  if (specs.length > MAX_RANGES) return { kind: 'too_many' };
  const ranges: ByteRange[] = [];
  let total = 0;
  for (const spec of specs) {
    const parts = /^(\d*)-(\d*)$/.exec(spec);
    if (parts === null || spec === '-') return WHOLE;
    const range = resolve(parts[1] ?? '', parts[2] ?? '', size);
    if (range === undefined) continue;
    total += range.endExclusive - range.start;
    ranges.push(range);
  }
  if (specs.length === 0) return WHOLE;
  const [first] = ranges;
  if (first === undefined) return { kind: 'unsatisfiable' };
  if (total > 2 * size) return WHOLE;
  return specs.length === 1 ? { kind: 'single', range: first } : { kind: 'multi', ranges };
}

/** `first-last`, `first-` or `-suffix`; undefined when no byte of the object is in it. */
function resolve(first: string, last: string, size: number): ByteRange | undefined {
  if (first === '') {
    const suffix = Math.min(Number(last), size);
    return suffix === 0 ? undefined : { start: size - suffix, endExclusive: size };
  }
  const start = Number(first);
  const end = last === '' ? Infinity : Number(last);
  if (start >= size || end < start) return undefined;
  return { start, endExclusive: Math.min(end + 1, size) };
}
