import { formatCommitmeta, parseCommitmeta } from '../../../delta/ostree/commitmeta.ts';
import { withEntry, type DictionaryEntry } from '../../../delta/ostree/gvariant/dictionary.ts';
import { isList, type Variant, type VariantValue } from '../../../delta/ostree/gvariant/value.ts';
import { issuerOf } from '../../../delta/ostree/sign/openpgp-issuer.ts';

/** The type of every kind of signatures that there is. */
const SIGNATURES = 'aay';

/**
 * Which signatures stay when one comes by an OpenPGP key that a present one names: each of gpg's differs
 * from the last, since it tells its time.
 */
export type SameKey = 'both' | 'older' | 'newer';

/**
 * A commitmeta with what another one says: lists of signatures are put together, each once and in their
 * order, those by one key as `sameKey` says; any other key is replaced. Throws `bad_format` for what is no
 * commitmeta in normal form.
 */
export function mergeCommitmeta(
  present: Uint8Array | undefined,
  more: Uint8Array,
  sameKey: SameKey = 'both',
): Buffer {
  let merged = present === undefined ? [] : parseCommitmeta(present);
  for (const [key, value] of parseCommitmeta(more)) {
    merged = mergeEntry(merged, key, value, key === 'ostree.gpgsigs' ? sameKey : 'both');
  }
  return formatCommitmeta(merged);
}

function mergeEntry(
  entries: readonly DictionaryEntry[],
  key: string,
  value: Variant,
  sameKey: SameKey,
): readonly DictionaryEntry[] {
  const present = entries.find(([name]) => name === key)?.[1];
  if (value.type !== SIGNATURES || present?.type !== SIGNATURES)
    return withEntry(entries, key, value);
  const before = signatures(present.value);
  const fresh = signatures(value.value).filter(
    (one) => !before.some((other) => Buffer.compare(one, other) === 0),
  );
  const kept = sameKey === 'newer' ? withoutKeysOf(before, fresh) : before;
  const added = sameKey === 'older' ? withoutKeysOf(fresh, before) : fresh;
  return withEntry(entries, key, { type: SIGNATURES, value: [...kept, ...added] });
}

/** Those by a key that none of the others is by. */
function withoutKeysOf(
  some: readonly Uint8Array[],
  others: readonly Uint8Array[],
): readonly Uint8Array[] {
  const keys = new Set(others.flatMap((one) => issuerOf(one) ?? []));
  return some.filter((one) => {
    const key = issuerOf(one);
    return key === undefined || !keys.has(key);
  });
}

function signatures(value: VariantValue): readonly Uint8Array[] {
  return isList(value) ? value.filter((one) => one instanceof Uint8Array) : [];
}
