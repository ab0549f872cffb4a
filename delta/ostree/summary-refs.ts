import { DeltaError } from '../errors.ts';
import { lookUp, type DictionaryEntry } from './gvariant/dictionary.ts';
import { swap64 } from './gvariant/swap.ts';
import type { VariantValue } from './gvariant/value.ts';
import { checksumBytes, checksumFromBytes, type Checksum } from './objects/checksum.ts';
import type { Commit } from './objects/commit.ts';
import { parseRefName, type RefName } from './ref-name.ts';

/** The type of a list of refs in a summary. */
export const REFS_TYPE = 'a(s(taya{sv}))';

/** A ref as a summary lists it. */
export interface SummaryRef {
  readonly ref: RefName;
  readonly commit: Checksum;
  /** Bytes of the commit object; clients take no more than that when they fetch it. */
  readonly commitBytes: number;
  readonly metadata: readonly DictionaryEntry[];
}

type DecodedRefs = readonly (readonly [
  ref: string,
  target: readonly [size: bigint, commit: Buffer, metadata: readonly DictionaryEntry[]],
])[];

/** What the summary says of a commit: its time, and its version where it has one. */
export function refMetadata(commit: Commit): readonly DictionaryEntry[] {
  const version = lookUp(
    commit.metadata.filter(([, { type }]) => type === 's'),
    'version',
    's',
    'a commit',
  );
  const time = { type: 't', value: swap64(commit.timestamp) };
  return [
    ['ostree.commit.timestamp', time],
    ...(version === undefined
      ? []
      : [['ostree.commit.version', { type: 's', value: version }] as const]),
  ];
}

/** The value of {@link REFS_TYPE}, sorted by name. Throws `bad_format` when a ref stands twice. */
export function refsToValue(refs: readonly SummaryRef[]): VariantValue {
  // A ref is ASCII, where strings sort as their bytes do.
  const sorted = refs.toSorted((a, b) => (a.ref < b.ref ? -1 : 1));
  checkOrder(sorted);
  return sorted.map(({ ref, commit, commitBytes, metadata }) => [
    ref,
    [BigInt(commitBytes), checksumBytes(commit), metadata],
  ]);
}

/** Reads a decoded {@link REFS_TYPE}. Throws `bad_format`, for refs out of order too. */
export function refsFromValue(value: VariantValue): readonly SummaryRef[] {
  const refs = (value as DecodedRefs).map(([name, [size, commit, metadata]]) => {
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new DeltaError('bad_format', `a summary says ${name} has ${size.toString()} bytes`);
    }
    return {
      ref: parseRefName(name),
      commit: checksumFromBytes(commit, `the commit of ${name} in a summary`),
      commitBytes: Number(size),
      metadata,
    };
  });
  checkOrder(refs);
  return refs;
}

/** Clients look refs up by halving the list. */
function checkOrder(refs: readonly SummaryRef[]): void {
  let before: RefName | undefined;
  for (const { ref } of refs) {
    if (before !== undefined && before >= ref) {
      throw new DeltaError(
        'bad_format',
        `the ref ${ref} stands twice or out of order in a summary`,
      );
    }
    before = ref;
  }
}
