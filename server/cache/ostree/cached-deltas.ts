import {
  deltaIndexPath,
  deltaPath,
  type DeltaName,
} from '../../../delta/ostree/checksum-base64.ts';
import { formatDeltaIndex, parseDeltaIndex } from '../../../delta/ostree/delta-index.ts';
import type { ListedDelta } from '../../../delta/ostree/delta-list.ts';
import { DeltaError } from '../../../delta/errors.ts';
import type { Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { objectPath } from '../../../delta/ostree/objects/object-name.ts';
import { parseSuperblock } from '../../../delta/ostree/static-delta/parse-superblock.ts';
import type { CachedOstreeDocument } from '../../../storage/catalog/cache-ostree-documents.ts';
import { digestOf } from '../../../storage/digest.ts';
import { isStorageError, StorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import { outlineOf, type DeltaOutline } from '../../ostree/delta-work.ts';
import { UpstreamError } from '../upstream-error.ts';
import type { FoundDocument, OstreeDocuments } from './documents.ts';
import type { OstreeFiles } from './files.ts';

/**
 * The indexes and superblocks of static deltas. A new index is shown once the superblocks that are kept
 * here are those that it names (publish order: superblock, index). While the origin is gone a delta is one
 * that is here whole: a client takes what an index or a summary names, and fails when it does not come.
 * Without a delta it asks for the objects, so of a commit that is here others are denied.
 */
export class CachedDeltas {
  readonly #documents: OstreeDocuments;
  readonly #files: OstreeFiles;

  constructor(documents: OstreeDocuments, files: OstreeFiles) {
    this.#documents = documents;
    this.#files = files;
  }

  /** Throws `unavailable` when the origin is gone and nothing of this is here, `UpstreamError`. */
  async index(repo: RepoName, to: Checksum): Promise<FoundDocument> {
    return this.#orNone(repo, to, async () => {
      const found = await this.#documents.get(repo, deltaIndexPath(to), (index) =>
        this.#renewSuperblocks(repo, index),
      );
      return found.staleSeconds === undefined ? found : this.#whatIsHere(repo, found);
    });
  }

  /** As {@link index}. */
  async superblock(repo: RepoName, delta: DeltaName): Promise<FoundDocument> {
    return this.#orNone(repo, delta.to, async () => {
      const found = await this.#documents.get(repo, deltaPath({ delta, file: 'superblock' }));
      const { document, staleSeconds } = found;
      if (staleSeconds === undefined || document.body === undefined) return found;
      if (await this.#isWhole(repo, delta, document.body)) return found;
      throw new StorageError('unavailable', 'a part of the delta is not here');
    });
  }

  async #orNone(
    repo: RepoName,
    to: Checksum,
    find: () => Promise<FoundDocument>,
  ): Promise<FoundDocument> {
    try {
      return await find();
    } catch (error) {
      if (!isStorageError(error, 'unavailable')) throw error;
      const commit = objectPath({ kind: 'commit', checksum: to });
      if (!(await this.#files.areHere(repo, [commit]))) throw error;
      return { document: { body: undefined, checkedMs: 0 } };
    }
  }

  async #renewSuperblocks(repo: RepoName, { body }: CachedOstreeDocument): Promise<void> {
    for (const { delta, superblock } of body === undefined ? [] : read(parseDeltaIndex, body)) {
      const path = deltaPath({ delta, file: 'superblock' });
      const known = await this.#documents.known(repo, path);
      if (known?.body === undefined || digestOf(known.body) === superblock) continue;
      const { staleSeconds } = await this.#documents.get(repo, path);
      if (staleSeconds === undefined) continue;
      throw new StorageError('unavailable', `${path} can't be renewed before its index`);
    }
  }

  async #whatIsHere(repo: RepoName, found: FoundDocument): Promise<FoundDocument> {
    const { body } = found.document;
    if (body === undefined) return found;
    const listed: ListedDelta[] = [];
    for (const entry of read(parseDeltaIndex, body)) {
      if (await this.#isHere(repo, entry)) listed.push(entry);
    }
    const kept = listed.length === 0 ? undefined : formatDeltaIndex(listed);
    return { ...found, document: { ...found.document, body: kept } };
  }

  async #isHere(repo: RepoName, { delta, superblock }: ListedDelta): Promise<boolean> {
    const known = await this.#documents.known(repo, deltaPath({ delta, file: 'superblock' }));
    if (known?.body === undefined || digestOf(known.body) !== superblock) return false;
    return this.#isWhole(repo, delta, known.body);
  }

  async #isWhole(repo: RepoName, delta: DeltaName, superblock: Buffer): Promise<boolean> {
    const { parts, fallbacks } = read(parseSuperblock, superblock);
    const paths = [
      ...parts.flatMap(({ inline }, file) => (inline ? [] : [deltaPath({ delta, file })])),
      ...fallbacks.map(objectPath),
    ];
    return this.#files.areHere(repo, paths);
  }
}

/** What a superblock of the origin says of the client's work. */
export function outlineIn(superblock: Buffer): DeltaOutline {
  return outlineOf(read(parseSuperblock, superblock));
}

/** What the origin sent has to be readable. */
function read<T>(parse: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return parse(bytes);
  } catch (error) {
    if (!(error instanceof DeltaError)) throw error;
    throw new UpstreamError('refused', error.message, { status: 200 });
  }
}
