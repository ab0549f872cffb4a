import { digestBytes, digestFromBytes, type Digest } from '../../storage/digest.ts';
import { DeltaError } from '../errors.ts';
import type { DeltaName } from './checksum-base64.ts';
import type { DictionaryEntry } from './gvariant/dictionary.ts';
import { parseChecksum } from './objects/checksum.ts';

/** A static delta as delta indexes and summaries list it. */
export interface ListedDelta {
  readonly delta: DeltaName;
  /** sha256 of its superblock's bytes. */
  readonly superblock: Digest;
}

/** The key of the list, in both. */
export const STATIC_DELTAS_KEY = 'ostree.static-deltas';

/** `FROM-TO`, or `TO` from scratch, in hexadecimal digits. */
export function formatDeltaName({ from, to }: DeltaName): string {
  return from === undefined ? to : `${from}-${to}`;
}

/** Reads what {@link formatDeltaName} makes. Throws `bad_format`. */
export function parseDeltaName(text: string): DeltaName {
  const [first = '', second, ...rest] = text.split('-', 3);
  if (rest.length > 0)
    throw new DeltaError('bad_format', `not a delta's name: ${text.slice(0, 200)}`);
  return second === undefined
    ? { from: undefined, to: parseChecksum(first) }
    : { from: parseChecksum(first), to: parseChecksum(second) };
}

/** The list as an `a{sv}`, sorted by name. Throws `bad_format` when a delta stands twice. */
export function formatDeltaList(deltas: readonly ListedDelta[]): readonly DictionaryEntry[] {
  const entries = new Map<string, Digest>();
  for (const { delta, superblock } of deltas) {
    const name = formatDeltaName(delta);
    if (entries.has(name)) throw new DeltaError('bad_format', `the delta ${name} stands twice`);
    entries.set(name, superblock);
  }
  return [...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, digest]) => [name, { type: 'ay', value: Buffer.from(digestBytes(digest)) }]);
}

/** Reads what {@link formatDeltaList} makes, in any order. Throws `bad_format`. */
export function parseDeltaList(entries: readonly DictionaryEntry[]): readonly ListedDelta[] {
  return entries.map(([name, { value }]) => {
    if (!(value instanceof Uint8Array) || value.length !== 32) {
      throw new DeltaError('bad_format', `the delta ${name.slice(0, 200)} has no sha256`);
    }
    return { delta: parseDeltaName(name), superblock: digestFromBytes(value) };
  });
}
