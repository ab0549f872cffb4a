import type { DictionaryEntry } from './gvariant/dictionary.ts';
import { encodeVariant } from './gvariant/encode.ts';
import type { VariantValue } from './gvariant/value.ts';
import { decodeMetadata } from './objects/metadata-bytes.ts';
import { REFS_TYPE, refsFromValue, refsToValue, type SummaryRef } from './summary-refs.ts';

/** `OSTREE_SUMMARY_GVARIANT_FORMAT`. */
const TYPE = `(${REFS_TYPE}a{sv})`;

/** What a repository offers. */
export interface Summary {
  /** Sorted by name; with a collection id, the refs of that collection. */
  readonly refs: readonly SummaryRef[];
  /** See `summary-facts.ts`. */
  readonly metadata: readonly DictionaryEntry[];
}

type Decoded = readonly [refs: VariantValue, metadata: readonly DictionaryEntry[]];

/** The bytes of `summary`; the refs may be in any order. Throws `bad_format` when one stands twice. */
export function formatSummary({ refs, metadata }: Summary): Buffer {
  return encodeVariant(TYPE, [refsToValue(refs), metadata]);
}

/** Reads a `summary`. Throws `bad_format`, for refs out of order too; `too_large`. */
export function parseSummary(bytes: Uint8Array): Summary {
  const [refs, metadata] = decodeMetadata('summary', TYPE, bytes) as Decoded;
  return { refs: refsFromValue(refs), metadata };
}
