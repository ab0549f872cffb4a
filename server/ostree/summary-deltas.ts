import type { ListedDelta } from '../../delta/ostree/delta-list.ts';
import type { OstreeRefRow } from '../../storage/catalog/ostree-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { RepoName } from '../../storage/names.ts';
import type { OstreeOptions } from './options.ts';
import { Superblocks } from './superblocks.ts';

/** Some 180 bytes each, which every client gets with the summary. */
const MAX_LISTED = 32;

/**
 * The deltas that a summary lists, for clients before 2020.8 (Debian 11 has 2020.7), which know no delta
 * index: those to the commits of the repository's refs, if they are 32 at most. With more of them none
 * is listed, and such clients fetch the objects.
 */
export class SummaryDeltas {
  readonly #catalog: Pick<OstreeOptions['catalog'], 'ostree' | 'ostreeDeltas'>;
  readonly #superblocks: Superblocks;

  constructor({ blobs, catalog }: Pick<OstreeOptions, 'blobs' | 'catalog'>) {
    this.#catalog = catalog;
    this.#superblocks = new Superblocks(blobs, { keptBytes: 0 });
  }

  /** None where the files of one are gone: without its deltas the summary is as good. */
  async of(repo: RepoName, refs: readonly OstreeRefRow[]): Promise<readonly ListedDelta[]> {
    const { ostree, ostreeDeltas } = this.#catalog;
    const commits = new Set(refs.map(({ checksum }) => checksum));
    if (commits.size > MAX_LISTED) return [];
    const listed: ListedDelta[] = [];
    for (const commit of commits) {
      const published = await ostreeDeltas.published(repo, commit);
      if (listed.length + published.length > MAX_LISTED) return [];
      if (published.length === 0) continue;
      const commitmeta = (await ostree.commitmeta(repo, commit))?.bytes;
      for (const { name, superblock } of published) {
        const digest = await this.#digest(superblock, commitmeta);
        if (digest === undefined) return [];
        listed.push({ delta: { from: name.from, to: commit }, superblock: digest });
      }
    }
    return listed;
  }

  async #digest(stored: Digest, commitmeta: Buffer | undefined): Promise<Digest | undefined> {
    try {
      return await this.#superblocks.digest(stored, commitmeta);
    } catch (error) {
      if (isStorageError(error, 'missing')) return undefined;
      throw error;
    }
  }
}
