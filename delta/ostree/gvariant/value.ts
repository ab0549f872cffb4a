/**
 * A GVariant value in JavaScript's own types, by the letters of its type:
 * `y n q i u h d` number; `x t` bigint; `b` boolean; `s o g` string; `ay` bytes; other arrays, tuples
 * and dictionary entries an array; `v` a {@link Variant}; `m` undefined for nothing, else the value.
 */
export type VariantValue =
  number | bigint | boolean | string | Uint8Array | readonly VariantValue[] | Variant | undefined;

/** A value that carries its type (`v`). */
export interface Variant {
  /** A type string, as {@link parseType} takes it. */
  readonly type: string;
  readonly value: VariantValue;
}

/** True for the value of an array (other than `ay`), a tuple or a dictionary entry. */
export function isList(value: VariantValue): value is readonly VariantValue[] {
  return Array.isArray(value);
}

/** True for the value of a `v`. */
export function isVariant(value: VariantValue): value is Variant {
  return typeof value === 'object' && 'type' in value && typeof value.type === 'string';
}
