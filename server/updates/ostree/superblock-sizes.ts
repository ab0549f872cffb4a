import type { BlobReader } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { OstreeDeltaRow } from '../../../storage/catalog/ostree-delta-catalog.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { isStorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { Superblocks } from '../../ostree/superblocks.ts';

export interface SuperblockSizesOptions {
  readonly catalog: Pick<Catalog, 'ostree' | 'ostreeDeltas'>;
  readonly blobs: BlobReader;
}

const MAX_REMEMBERED = 16_384;

/**
 * Bytes of superblocks as clients get them: with the commit's signatures of now, which the figures of
 * their build are without.
 */
export class SuperblockSizes {
  readonly #catalog: SuperblockSizesOptions['catalog'];
  readonly #superblocks: Superblocks;
  readonly #sizes = new Map<string, number>();

  constructor({ catalog, blobs }: SuperblockSizesOptions) {
    this.#catalog = catalog;
    this.#superblocks = new Superblocks(blobs);
  }

  /** Of those of the rows that are published, by where they start. */
  async of(
    repo: RepoName,
    commit: OstreeChecksum,
    deltas: readonly OstreeDeltaRow[],
  ): Promise<ReadonlyMap<OstreeChecksum | undefined, number>> {
    const sizes = new Map<OstreeChecksum | undefined, number>();
    const published = deltas.filter(({ state }) => state === 'published');
    if (published.length === 0) return sizes;
    const commitmeta = (await this.#catalog.ostree.commitmeta(repo, commit))?.bytes;
    if (commitmeta === undefined) {
      for (const { from, result } of published) {
        if (result !== undefined) sizes.set(from, result.superblockBytes);
      }
      return sizes;
    }
    for (const { name, superblock } of await this.#catalog.ostreeDeltas.published(repo, commit)) {
      const size = await this.#sizeOf(superblock, commitmeta);
      if (size !== undefined) sizes.set(name.from, size);
    }
    return sizes;
  }

  /** Undefined when it is no longer there: nobody can pull by it. */
  async #sizeOf(stored: Digest, commitmeta: Buffer): Promise<number | undefined> {
    const key = `${stored} ${digestOf(commitmeta)}`;
    const known = this.#sizes.get(key);
    if (known !== undefined) return known;
    try {
      const size = (await this.#superblocks.get(stored, commitmeta)).bytes.length;
      if (this.#sizes.size >= MAX_REMEMBERED) this.#sizes.clear();
      this.#sizes.set(key, size);
      return size;
    } catch (error) {
      if (isStorageError(error, 'missing')) return undefined;
      throw error;
    }
  }
}
