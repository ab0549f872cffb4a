import { DeltaError } from '../../errors.ts';
import type { DictionaryEntry } from '../gvariant/dictionary.ts';
import { encodeVariant } from '../gvariant/encode.ts';
import { swap64 } from '../gvariant/swap.ts';
import { checksumBytes, checksumFromBytes, type Checksum } from './checksum.ts';
import { decodeMetadata } from './metadata-bytes.ts';

/** `OSTREE_COMMIT_GVARIANT_FORMAT`; the time is big-endian. */
export const COMMIT_TYPE = '(a{sv}aya(say)sstayay)';

export interface Commit {
  readonly metadata: readonly DictionaryEntry[];
  readonly parent: Checksum | undefined;
  /** Named related objects; nothing writes any. */
  readonly related: readonly { readonly name: string; readonly checksum: Checksum }[];
  readonly subject: string;
  readonly body: string;
  /** Seconds since 1970, an unsigned 64-bit number. */
  readonly timestamp: bigint;
  /** The dirtree of the root. */
  readonly tree: Checksum;
  /** The dirmeta of the root. */
  readonly meta: Checksum;
}

type Decoded = readonly [
  metadata: readonly DictionaryEntry[],
  parent: Buffer,
  related: readonly (readonly [string, Buffer])[],
  subject: string,
  body: string,
  timestamp: bigint,
  tree: Buffer,
  meta: Buffer,
];

/**
 * Reads a `.commit`. Throws `bad_format` for bytes not in normal form, checksums that are not 32 bytes
 * long (an absent parent has none), and an empty metadata key.
 */
export function parseCommit(bytes: Uint8Array): Commit {
  const decoded = decodeMetadata('commit', COMMIT_TYPE, bytes) as Decoded;
  const [metadata, parent, related, subject, body, timestamp, tree, meta] = decoded;
  checkMetadata(metadata);
  return {
    metadata,
    parent: parent.length === 0 ? undefined : checksumFromBytes(parent, "a commit's parent"),
    related: related.map(([name, checksum]) => ({
      name,
      checksum: checksumFromBytes(checksum, "a commit's related object"),
    })),
    subject,
    body,
    timestamp: swap64(timestamp),
    tree: checksumFromBytes(tree, "a commit's root dirtree"),
    meta: checksumFromBytes(meta, "a commit's root dirmeta"),
  };
}

/** The bytes of a `.commit`; their checksum is the commit's name. Throws as {@link parseCommit}. */
export function formatCommit(commit: Commit): Buffer {
  checkMetadata(commit.metadata);
  return encodeVariant(COMMIT_TYPE, [
    commit.metadata,
    commit.parent === undefined ? Buffer.alloc(0) : checksumBytes(commit.parent),
    commit.related.map(({ name, checksum }) => [name, checksumBytes(checksum)]),
    commit.subject,
    commit.body,
    swap64(commit.timestamp),
    checksumBytes(commit.tree),
    checksumBytes(commit.meta),
  ]);
}

function checkMetadata(metadata: readonly DictionaryEntry[]): void {
  if (metadata.some(([key]) => key === '')) {
    throw new DeltaError('bad_format', 'a commit has an empty metadata key');
  }
}
