import { isDeepStrictEqual } from 'node:util';

import { readBlob, type BlobReader } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { RepoManifest } from '../catalog/repair-catalog.ts';
import type { ManifestChild, ManifestRow } from '../catalog/repository-catalog.ts';
import { StorageError } from '../errors.ts';
import type { IoOptions } from '../object-store.ts';

/** A manifest is read up to here; a registry takes none that is larger. */
const MAX_BYTES = 4 * 1024 * 1024;

/** What a manifest names; `manifest` may be `layer` where its type leaves open whether it is one. */
export interface NamedChild extends ManifestChild {
  readonly open: boolean;
}

/** What rows should say of a manifest, going by its bytes. */
export interface ManifestFacts extends Pick<
  ManifestRow,
  'mediaType' | 'subject' | 'artifactType' | 'annotations'
> {
  readonly children: readonly NamedChild[];
}

/** Reads a manifest of which rows say that media type; undefined for what a registry takes unread. */
export type ManifestReader = (bytes: Buffer, mediaType: string) => ManifestFacts | undefined;

/** Undefined as well when the bytes are lost or damaged, which shows elsewhere. */
export async function factsOfManifest(
  blobs: BlobReader,
  { digest, mediaType }: ManifestRow,
  read: ManifestReader,
  { signal }: IoOptions,
): Promise<ManifestFacts | undefined> {
  try {
    return read(await readBlob(blobs, digest, { maxBytes: MAX_BYTES, signal }), mediaType);
  } catch (error) {
    if (error instanceof StorageError && error.code !== 'aborted') return undefined;
    throw error;
  }
}

/** What is wrong with the rows of a manifest, or undefined. */
export function faultOfManifest(
  row: ManifestRow,
  children: readonly ManifestChild[],
  facts: ManifestFacts,
): string | undefined {
  const named = new Set(children.map(({ digest }) => digest));
  if (facts.children.some(({ digest }) => !named.has(digest))) {
    return 'what it names would be collected';
  }
  const same =
    children.length === facts.children.length &&
    facts.children.every((wanted, position) => isAs(children[position], wanted));
  if (!same) return 'its rows name what it does not';
  if (row.mediaType !== facts.mediaType) return 'it is served as another type';
  if (row.subject !== facts.subject) return 'referrers of its subject';
  const listed =
    row.artifactType === facts.artifactType &&
    isDeepStrictEqual({ ...row.annotations }, { ...facts.annotations });
  return listed ? undefined : 'how referrers list it';
}

/** The rows that a manifest should have; where its type leaves a child's kind open, what the repository has tells. */
export async function rowsOfManifest(
  { repositories }: Pick<Catalog, 'repositories'>,
  { repo, row }: RepoManifest,
  { children, ...facts }: ManifestFacts,
): Promise<{ readonly row: ManifestRow; readonly children: readonly ManifestChild[] }> {
  const rows: ManifestChild[] = [];
  for (const { open, ...child } of children) {
    const isBlob = open && (await repositories.getManifest(repo, child.digest)) === undefined;
    rows.push(isBlob ? { ...child, kind: 'layer' } : child);
  }
  return { row: { digest: row.digest, size: row.size, ...facts }, children: rows };
}

function isAs(child: ManifestChild | undefined, wanted: NamedChild): boolean {
  if (child?.digest !== wanted.digest) return false;
  // Catalogs before version 3 did not note the types of tar layers.
  if (child.tarType !== undefined && child.tarType !== wanted.tarType) return false;
  return child.kind === wanted.kind || (wanted.open && child.kind === 'layer');
}
