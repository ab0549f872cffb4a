import { createHash } from 'node:crypto';

import type { ChunkRow } from '../../../storage/catalog/layer-catalog.ts';
import type {
  OstreeBatch,
  OstreeChild,
  OstreeObjectRecord,
} from '../../../storage/catalog/ostree-catalog.ts';
import { parseOstreeChecksum, type OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { OstreeKind, OstreeObjectName } from '../../../storage/ostree/object-name.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { named } from './names.ts';

export const MAIN = parseOstreeRef('os/main');
export const PACK = 'ostree pack';

/** A checksum that stands for `text`. */
export function sum(text: string): OstreeChecksum {
  return parseOstreeChecksum(createHash('sha256').update(text).digest('hex'));
}

export function nameOf(kind: OstreeKind, text: string): OstreeObjectName {
  return { checksum: sum(text), kind };
}

/** An object of one chunk of 20 bytes in {@link PACK}, unless told otherwise. */
export function record(
  kind: OstreeKind,
  text: string,
  children: readonly OstreeChild[] = [],
  chunks: readonly ChunkRow[] = [chunkOf(text)],
): OstreeObjectRecord {
  return {
    name: nameOf(kind, text),
    size: chunks.reduce((size, chunk) => size + chunk.rawLength, 0),
    ...(kind === 'file' && { header: Buffer.from(`header of ${text}`) }),
    chunks,
    children,
  };
}

export function chunkOf(text: string, pack = PACK, offset = 16): ChunkRow {
  const digest = named(`chunk of ${text}`);
  return { digest, pack: named(pack), offset, length: 10, rawLength: 20 };
}

export function batchOf(...objects: readonly OstreeObjectRecord[]): OstreeBatch {
  const newChunks = objects.flatMap(({ chunks }) => chunks);
  return { objects, pack: { digest: named(PACK), size: 500 }, newChunks, lostPacks: [] };
}

/** `commit c` -> tree, meta; tree -> a sub folder (tree and meta) and a file; sub folder -> a file. */
export function tree(c: string, files: readonly [string, string], parent?: string) {
  const meta = record('dirmeta', 'meta');
  const [outer, inner] = files.map((text) => record('file', text));
  if (outer === undefined || inner === undefined) throw new Error('two files');
  const sub = record('dirtree', `sub of ${files[1]}`, [inner.name]);
  const rootText = `root of ${files.join(' and ')}`;
  const root = record('dirtree', rootText, [outer.name, sub.name, meta.name]);
  const history =
    parent === undefined ? [] : [{ ...nameOf('commit', parent), history: true as const }];
  const commit = record('commit', c, [root.name, meta.name, ...history]);
  return { commit, root, meta, sub, outer, inner, all: [commit, root, meta, sub, outer, inner] };
}

/** Names in an order of their own, to compare lists in any. */
export const sorted = (names: readonly { readonly checksum: string; readonly kind: string }[]) =>
  names.map(({ checksum, kind }) => `${kind} ${checksum}`).toSorted();
