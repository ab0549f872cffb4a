import { DeltaError } from '../../errors.ts';
import { encodeVariant } from '../gvariant/encode.ts';
import { checksumBytes, checksumFromBytes, type Checksum } from './checksum.ts';
import { checkFileName, compareNames } from './file-name.ts';
import { decodeMetadata } from './metadata-bytes.ts';

/** `OSTREE_TREE_GVARIANT_FORMAT`. */
const TYPE = '(a(say)a(sayay))';

export interface DirtreeFile {
  readonly name: string;
  readonly checksum: Checksum;
}

export interface DirtreeDirectory {
  readonly name: string;
  /** The dirtree. */
  readonly tree: Checksum;
  /** The dirmeta. */
  readonly meta: Checksum;
}

/** What a directory holds; both lists are sorted by the names' bytes. */
export interface Dirtree {
  readonly files: readonly DirtreeFile[];
  readonly directories: readonly DirtreeDirectory[];
}

type Decoded = readonly [
  files: readonly (readonly [string, Buffer])[],
  directories: readonly (readonly [string, Buffer, Buffer])[],
];

/**
 * Reads a `.dirtree`. Throws `bad_format` for bytes not in normal form, checksums that are not 32
 * bytes long, names that no file can have, and entries that stand twice or out of order.
 */
export function parseDirtree(bytes: Uint8Array): Dirtree {
  const [files, directories] = decodeMetadata('dirtree', TYPE, bytes) as Decoded;
  const tree = {
    files: files.map(([name, checksum]) => ({
      name,
      checksum: checksumFromBytes(checksum, entry(name)),
    })),
    directories: directories.map(([name, tree, meta]) => ({
      name,
      tree: checksumFromBytes(tree, entry(name)),
      meta: checksumFromBytes(meta, entry(name)),
    })),
  };
  checkNames(tree);
  return tree;
}

/** The bytes of a `.dirtree`. The order of the entries is free; else throws as {@link parseDirtree}. */
export function formatDirtree(tree: Dirtree): Buffer {
  const files = tree.files.toSorted((a, b) => compareNames(a.name, b.name));
  const directories = tree.directories.toSorted((a, b) => compareNames(a.name, b.name));
  checkNames({ files, directories });
  return encodeVariant(TYPE, [
    files.map(({ name, checksum }) => [name, checksumBytes(checksum)]),
    directories.map(({ name, tree, meta }) => [name, checksumBytes(tree), checksumBytes(meta)]),
  ]);
}

function checkNames({ files, directories }: Dirtree): void {
  checkOrder(files);
  checkOrder(directories);
  const names = new Set(files.map(({ name }) => name));
  const twice = directories.find(({ name }) => names.has(name));
  if (twice !== undefined) {
    throw new DeltaError('bad_format', `${entry(twice.name)} is both a file and a directory`);
  }
}

function checkOrder(entries: readonly { readonly name: string }[]): void {
  let before: string | undefined;
  for (const { name } of entries) {
    checkFileName(name, 'a dirtree');
    if (before !== undefined && compareNames(before, name) >= 0) {
      throw new DeltaError('bad_format', `${entry(name)} stands twice or out of order`);
    }
    before = name;
  }
}

function entry(name: string): string {
  return `the dirtree entry ${JSON.stringify(name.slice(0, 300))}`;
}
