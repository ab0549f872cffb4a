import { DeltaError } from '../../errors.ts';
import { isList, isVariant, type Variant, type VariantValue } from './value.ts';

/** An entry of an `a{sv}`. */
export type DictionaryEntry = readonly [key: string, value: Variant];

/**
 * A decoded `a{sv}` as entries, in their order. Throws `bad_format` for a value of another shape;
 * the same key twice is left in, since GVariant allows it: {@link lookUp} takes the first, as GLib.
 */
export function dictionaryEntries(value: VariantValue, what: string): readonly DictionaryEntry[] {
  if (!isList(value)) throw new DeltaError('bad_format', `${what}: not a dictionary`);
  return value.map((entry) => {
    if (isList(entry) && entry.length === 2) {
      const [key, box] = entry;
      if (typeof key === 'string' && isVariant(box)) return [key, box];
    }
    throw new DeltaError('bad_format', `${what}: not a dictionary of string to variant`);
  });
}

/**
 * What a dictionary holds under a key; undefined when the key is absent. Throws `bad_format` when it
 * is there with another type than the expected one.
 */
export function lookUp(
  entries: readonly DictionaryEntry[],
  key: string,
  type: string,
  what: string,
): VariantValue {
  const found = entries.find(([name]) => name === key);
  if (found === undefined) return undefined;
  if (found[1].type !== type) {
    throw new DeltaError('bad_format', `${what}: ${key} is a ${found[1].type}, not a ${type}`);
  }
  return found[1].value;
}

/** The entries with one more: in the place of the first of that key, or at the end. */
export function withEntry(
  entries: readonly DictionaryEntry[],
  key: string,
  value: Variant,
): readonly DictionaryEntry[] {
  const others = entries.filter(([name]) => name !== key);
  const at = entries.findIndex(([name]) => name === key);
  return at < 0 ? [...others, [key, value]] : others.toSpliced(at, 0, [key, value]);
}
