import { parseCommit, type Commit } from './commit.ts';
import { parseDirmeta } from './dirmeta.ts';
import { parseDirtree, type Dirtree } from './dirtree.ts';
import type { MetadataKind, ObjectName } from './object-name.ts';

/** What a commit needs to be whole: its root. Its parent is another commit, and may be absent. */
export function commitChildren(commit: Commit): readonly ObjectName[] {
  return [
    { kind: 'dirtree', checksum: commit.tree },
    { kind: 'dirmeta', checksum: commit.meta },
  ];
}

/** What a dirtree needs, in its order; an object that stands under several names comes once. */
export function dirtreeChildren(tree: Dirtree): readonly ObjectName[] {
  const files = tree.files.map(({ checksum }) => ({ kind: 'file', checksum }) as const);
  const directories = tree.directories.flatMap(({ tree, meta }) => [
    { kind: 'dirtree', checksum: tree } as const,
    { kind: 'dirmeta', checksum: meta } as const,
  ]);
  const seen = new Set<string>();
  return [...files, ...directories].filter(({ kind, checksum }) => {
    const key = `${checksum}.${kind}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Parses a metadata object and names what it needs. Throws as the parser of its kind. */
export function metadataChildren(kind: MetadataKind, bytes: Uint8Array): readonly ObjectName[] {
  switch (kind) {
    case 'commit':
      return commitChildren(parseCommit(bytes));
    case 'dirtree':
      return dirtreeChildren(parseDirtree(bytes));
    case 'dirmeta':
      parseDirmeta(bytes);
      return [];
  }
}
