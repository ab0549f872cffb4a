import { DeltaError } from '../errors.ts';
import {
  formatDeltaList,
  parseDeltaList,
  STATIC_DELTAS_KEY,
  type ListedDelta,
} from './delta-list.ts';
import { dictionaryEntries, lookUp, type DictionaryEntry } from './gvariant/dictionary.ts';
import { swap64 } from './gvariant/swap.ts';
import type { Variant, VariantValue } from './gvariant/value.ts';
import { parseCollectionId, type CollectionId } from './ref-name.ts';
import { REFS_TYPE, refsFromValue, refsToValue, type SummaryRef } from './summary-refs.ts';

/** What a summary's metadata says. Times are seconds since 1970. */
export interface SummaryFacts {
  readonly lastModified: bigint | undefined;
  /** After it, clients should not trust the summary. */
  readonly expires: bigint | undefined;
  readonly collectionId: CollectionId | undefined;
  /** Refs of other collections, mirrored there. */
  readonly collectionMap: ReadonlyMap<CollectionId, readonly SummaryRef[]>;
  /** For clients before 2020.8, which know no delta index. */
  readonly staticDeltas: readonly ListedDelta[];
}

const MODE = 'ostree.summary.mode';
const LAST_MODIFIED = 'ostree.summary.last-modified';
const TOMBSTONES = 'ostree.summary.tombstone-commits';
const INDEXED_DELTAS = 'ostree.summary.indexed-deltas';
const EXPIRES = 'ostree.summary.expires';
const COLLECTION_ID = 'ostree.summary.collection-id';
const COLLECTION_MAP = 'ostree.summary.collection-map';
const COLLECTION_MAP_TYPE = `a{s${REFS_TYPE}}`;

/** The metadata of a summary of ours: of an archive repository with delta indexes. */
export function formatSummaryFacts(facts: SummaryFacts): readonly DictionaryEntry[] {
  const entries: (readonly [string, Variant | undefined])[] = [
    [MODE, { type: 's', value: 'archive-z2' }],
    [LAST_MODIFIED, time(facts.lastModified)],
    [TOMBSTONES, { type: 'b', value: false }],
    [INDEXED_DELTAS, { type: 'b', value: true }],
    [EXPIRES, time(facts.expires)],
    [COLLECTION_ID, text(facts.collectionId)],
    [COLLECTION_MAP, collections(facts.collectionMap)],
    [STATIC_DELTAS_KEY, deltas(facts.staticDeltas)],
  ];
  return entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
}

/** Reads a summary's metadata, of any repository's. Throws `bad_format` for a key of another type. */
export function parseSummaryFacts(metadata: readonly DictionaryEntry[]): SummaryFacts {
  const get = (key: string, type: string): VariantValue => lookUp(metadata, key, type, WHAT);
  const collectionId = get(COLLECTION_ID, 's');
  const deltaList = get(STATIC_DELTAS_KEY, 'a{sv}');
  return {
    lastModified: seconds(get(LAST_MODIFIED, 't')),
    expires: seconds(get(EXPIRES, 't')),
    collectionId: typeof collectionId === 'string' ? parseCollectionId(collectionId) : undefined,
    collectionMap: collectionMap(get(COLLECTION_MAP, COLLECTION_MAP_TYPE)),
    staticDeltas: deltaList === undefined ? [] : parseDeltaList(dictionaryEntries(deltaList, WHAT)),
  };
}

const WHAT = 'a summary';

function time(value: bigint | undefined): Variant | undefined {
  return value === undefined ? undefined : { type: 't', value: swap64(value) };
}

function seconds(value: VariantValue): bigint | undefined {
  return typeof value === 'bigint' ? swap64(value) : undefined;
}

function text(value: string | undefined): Variant | undefined {
  return value === undefined ? undefined : { type: 's', value };
}

function deltas(list: readonly ListedDelta[]): Variant | undefined {
  return list.length === 0 ? undefined : { type: 'a{sv}', value: formatDeltaList(list) };
}

function collections(map: ReadonlyMap<CollectionId, readonly SummaryRef[]>): Variant | undefined {
  if (map.size === 0) return undefined;
  const sorted = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const value = sorted.map(([collection, refs]) => [collection, refsToValue(refs)]);
  return { type: COLLECTION_MAP_TYPE, value };
}

function collectionMap(value: VariantValue): ReadonlyMap<CollectionId, readonly SummaryRef[]> {
  const map = new Map<CollectionId, readonly SummaryRef[]>();
  if (value === undefined) return map;
  for (const [name, refs] of value as readonly (readonly [string, VariantValue])[]) {
    const collection = parseCollectionId(name);
    if (map.has(collection)) throw new DeltaError('bad_format', `${WHAT}: ${name} stands twice`);
    map.set(collection, refsFromValue(refs));
  }
  return map;
}
