import { formatCommitmeta, parseCommitmeta } from '../../../delta/ostree/commitmeta.ts';
import { withEntry, type DictionaryEntry } from '../../../delta/ostree/gvariant/dictionary.ts';
import { isList, type Variant, type VariantValue } from '../../../delta/ostree/gvariant/value.ts';

/** The type of every kind of signatures that there is. */
const SIGNATURES = 'aay';

/**
 * A commitmeta with what another one says: lists of signatures are put together, each once and in their
 * order; any other key is replaced. Throws `bad_format` for what is no commitmeta in normal form.
 */
export function mergeCommitmeta(present: Uint8Array | undefined, more: Uint8Array): Buffer {
  let merged = present === undefined ? [] : parseCommitmeta(present);
  for (const [key, value] of parseCommitmeta(more)) merged = mergeEntry(merged, key, value);
  return formatCommitmeta(merged);
}

function mergeEntry(
  entries: readonly DictionaryEntry[],
  key: string,
  value: Variant,
): readonly DictionaryEntry[] {
  const present = entries.find(([name]) => name === key)?.[1];
  if (value.type !== SIGNATURES || present?.type !== SIGNATURES)
    return withEntry(entries, key, value);
  const kept = signatures(present.value);
  const fresh = signatures(value.value).filter(
    (one) => !kept.some((other) => Buffer.compare(one, other) === 0),
  );
  return withEntry(entries, key, { type: SIGNATURES, value: [...kept, ...fresh] });
}

function signatures(value: VariantValue): readonly Uint8Array[] {
  return isList(value) ? value.filter((one) => one instanceof Uint8Array) : [];
}
