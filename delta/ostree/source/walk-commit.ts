import { isStorageError } from '../../../storage/errors.ts';
import type { Checksum } from '../objects/checksum.ts';
import { metadataChildren } from '../objects/children.ts';
import { parseCommit } from '../objects/commit.ts';
import { objectFileName, type MetadataKind, type ObjectName } from '../objects/object-name.ts';
import { objectFault } from './object-fault.ts';
import type { ObjectSource, SourceOptions } from './object-source.ts';

/**
 * Everything that a commit needs, itself first, without what is in `seen`, to which it is added: each
 * object comes once. As many metadata objects are read at once as the source likes. Throws as the
 * source does, and for metadata that its parser refuses, by name.
 */
export async function* walkCommit(
  source: ObjectSource,
  commit: Checksum,
  seen: Set<string>,
  options: SourceOptions = {},
): AsyncGenerator<ObjectName, void> {
  const unread: { readonly kind: MetadataKind; readonly checksum: Checksum }[] = [];
  let found: readonly ObjectName[] = [{ kind: 'commit', checksum: commit }];
  for (;;) {
    for (const name of found) {
      const key = objectFileName(name);
      if (seen.has(key)) continue;
      seen.add(key);
      if (name.kind !== 'file') unread.push({ kind: name.kind, checksum: name.checksum });
      yield name;
    }
    // The newest first: then few are unread at any time, however large the tree.
    const next = unread.splice(-source.concurrency);
    if (next.length === 0) return;
    const children = await Promise.all(
      next.map((name) => childrenOf(source, name.kind, name.checksum, options)),
    );
    found = children.flat();
  }
}

/**
 * A commit, then its ancestors: at most `depth` of them, and no further than the source has them, as
 * its own history may be cut. Throws as {@link walkCommit}.
 */
export async function* commitHistory(
  source: ObjectSource,
  commit: Checksum,
  depth: number,
  options: SourceOptions = {},
): AsyncGenerator<Checksum, void> {
  let at: Checksum | undefined = commit;
  for (let generation = 0; at !== undefined && generation <= depth; generation += 1) {
    const bytes = await readParent(source, at, generation, options);
    if (bytes === undefined) return;
    yield at;
    at = parsed({ kind: 'commit', checksum: at }, source, () => parseCommit(bytes)).parent;
  }
}

async function readParent(
  source: ObjectSource,
  commit: Checksum,
  generation: number,
  options: SourceOptions,
): Promise<Buffer | undefined> {
  try {
    return await source.readMetadata('commit', commit, options);
  } catch (error) {
    if (generation > 0 && isStorageError(error, 'missing')) return undefined;
    throw error;
  }
}

async function childrenOf(
  source: ObjectSource,
  kind: MetadataKind,
  checksum: Checksum,
  options: SourceOptions,
): Promise<readonly ObjectName[]> {
  const bytes = await source.readMetadata(kind, checksum, options);
  return parsed({ kind, checksum }, source, () => metadataChildren(kind, bytes));
}

function parsed<T>(name: ObjectName, source: ObjectSource, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw objectFault(error, name, source.label);
  }
}
