import {
  formatDeltaList,
  parseDeltaList,
  STATIC_DELTAS_KEY,
  type ListedDelta,
} from './delta-list.ts';
import { dictionaryEntries, lookUp } from './gvariant/dictionary.ts';
import { encodeVariant } from './gvariant/encode.ts';
import { decodeMetadata } from './objects/metadata-bytes.ts';

/** The bytes of a delta index: the static deltas that lead to one commit. Throws `bad_format`. */
export function formatDeltaIndex(deltas: readonly ListedDelta[]): Buffer {
  return encodeVariant('a{sv}', [
    [STATIC_DELTAS_KEY, { type: 'a{sv}', value: formatDeltaList(deltas) }],
  ]);
}

/** Reads a delta index; other keys are for other readers. Throws `bad_format`. */
export function parseDeltaIndex(bytes: Uint8Array): readonly ListedDelta[] {
  const what = 'a delta index';
  const entries = dictionaryEntries(decodeMetadata('delta index', 'a{sv}', bytes), what);
  const list = lookUp(entries, STATIC_DELTAS_KEY, 'a{sv}', what);
  return list === undefined ? [] : parseDeltaList(dictionaryEntries(list, what));
}
