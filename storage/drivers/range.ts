import { StorageError } from '../errors.ts';
import type { ByteRange } from '../object-store.ts';

/** Throws `range_unsatisfiable` unless the range lies inside an object of that size. */
export function checkObjectRange(range: ByteRange, size: number, what: string): void {
  checkRangeShape(range, what);
  if (range.endExclusive > size) throw unsatisfiable(range, `of ${size}`, what);
}

/** Throws `range_unsatisfiable` for a range that lies in no object at all. */
export function checkRangeShape(range: ByteRange, what: string): void {
  const { start, endExclusive } = range;
  if (
    !Number.isSafeInteger(start) ||
    !Number.isSafeInteger(endExclusive) ||
    start < 0 ||
    start >= endExclusive
  ) {
    throw unsatisfiable(range, 'of any object', what);
  }
}

function unsatisfiable(range: ByteRange, of: string, what: string): StorageError {
  return new StorageError(
    'range_unsatisfiable',
    `${what}: bytes ${range.start} to ${range.endExclusive} ${of}`,
    {
      detail: { ...range },
    },
  );
}
