import type { OstreeChild } from '../../../storage/catalog/ostree-catalog.ts';
import type { IncomingObject } from '../../../storage/ostree/object-batch.ts';
import type { Checksum } from './checksum.ts';
import { commitChildren, metadataChildren } from './children.ts';
import { parseCommit } from './commit.ts';
import type { MetadataKind } from './object-name.ts';

/**
 * A metadata object on its way into the store, with all that it names; the bytes must be those of the
 * checksum. Throws `bad_format` for what breaks its format.
 */
export function metadataObject(
  kind: MetadataKind,
  checksum: Checksum,
  bytes: Uint8Array,
): IncomingObject {
  return {
    name: { kind, checksum },
    size: bytes.length,
    content: oneOf(bytes),
    children: childrenOf(kind, bytes),
  };
}

/** A commit's parent is its history: the commit is whole without. */
function childrenOf(kind: MetadataKind, bytes: Uint8Array): readonly OstreeChild[] {
  if (kind !== 'commit') return metadataChildren(kind, bytes);
  const commit = parseCommit(bytes);
  const children = commitChildren(commit);
  if (commit.parent === undefined) return children;
  return [...children, { kind, checksum: commit.parent, history: true }];
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield await Promise.resolve(bytes);
}
