import { DeltaError } from '../../errors.ts';
import { OBJECT_LIMITS } from './limits.ts';

/** An extended attribute; the name without its NUL. */
export interface Xattr {
  readonly name: Buffer;
  readonly value: Uint8Array;
}

/** A GVariant `a(ayay)`, the names with their NUL. */
export type XattrTuples = readonly (readonly [name: Buffer, value: Uint8Array])[];

/** Sorted by name, as every object must have them (`_ostree_canonicalize_xattrs`). */
export function sortedXattrs(xattrs: readonly Xattr[]): readonly Xattr[] {
  return xattrs.toSorted((a, b) => Buffer.compare(a.name, b.name));
}

/** Throws `bad_format` for what {@link xattrsFromTuples} refuses. */
export function xattrsToTuples(xattrs: readonly Xattr[], what: string): XattrTuples {
  checkXattrs(xattrs, what);
  return xattrs.map(({ name, value }) => [Buffer.concat([name, Buffer.alloc(1)]), value]);
}

/**
 * Throws `bad_format` for names that are empty, hold a NUL or end without one, stand twice or out of
 * order (libostree's `_ostree_validate_structureof_xattrs`), and past what Linux can hold.
 */
export function xattrsFromTuples(tuples: XattrTuples, what: string): readonly Xattr[] {
  const xattrs = tuples.map(([name, value]) => {
    if (name.at(-1) !== 0) throw broken(what, name, 'does not end with a NUL');
    return { name: name.subarray(0, -1), value };
  });
  checkXattrs(xattrs, what);
  return xattrs;
}

function checkXattrs(xattrs: readonly Xattr[], what: string): void {
  if (xattrs.length > OBJECT_LIMITS.xattrs) {
    throw new DeltaError('too_large', `${what} has ${xattrs.length} xattrs`);
  }
  let before: Buffer | undefined;
  for (const { name, value } of xattrs) {
    if (name.length === 0) throw broken(what, name, 'has no name');
    if (name.includes(0)) throw broken(what, name, 'holds a NUL');
    if (name.length > OBJECT_LIMITS.xattrNameBytes) throw broken(what, name, 'is too long');
    if (value.length > OBJECT_LIMITS.xattrValueBytes) {
      throw broken(what, name, `has a value of ${value.length} bytes`);
    }
    if (before !== undefined && Buffer.compare(before, name) >= 0) {
      throw broken(what, name, 'stands twice or out of order');
    }
    before = name;
  }
}

function broken(what: string, name: Buffer, problem: string): DeltaError {
  const shown = JSON.stringify(name.subarray(0, 100).toString('latin1'));
  return new DeltaError('bad_format', `${what}: the xattr ${shown} ${problem}`);
}
