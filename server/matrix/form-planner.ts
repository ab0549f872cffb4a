import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import type { Digest } from '../../storage/digest.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import { matchesPattern } from '../auth/name-pattern.ts';
import { readHeldImages } from '../updates/held-images.ts';
import type { ImageReader } from '../updates/images.ts';

export interface FormPlannerOptions {
  readonly catalog: Catalog;
  readonly images: ImageReader;
  /** Patterns of repositories whose tagged images get a zstd:chunked form. */
  readonly zstdChunked: readonly string[];
}

/** Brings about that what tags are at has a zstd:chunked form, in repositories that want it. */
export class FormPlanner {
  readonly #options: FormPlannerOptions;

  constructor(options: FormPlannerOptions) {
    this.#options = options;
  }

  async planTag(repo: RepoName, tag: Tag, options: IoOptions = {}): Promise<number> {
    if (!this.#wants(repo)) return 0;
    const digest = await this.#options.catalog.repositories.resolveTag(repo, tag);
    return digest === undefined ? 0 : this.#ensure(repo, digest, options);
  }

  /** Plans every tag; returns how many forms were added. */
  async reconcile(options: IoOptions = {}): Promise<number> {
    if (this.#options.zstdChunked.length === 0) return 0;
    let added = 0;
    for (const { repo, digest } of await this.#options.catalog.repositories.heads()) {
      if (this.#wants(repo)) added += await this.#ensure(repo, digest, options);
    }
    return added;
  }

  #wants(repo: RepoName): boolean {
    return this.#options.zstdChunked.some((pattern) => matchesPattern(pattern, repo));
  }

  async #ensure(repo: RepoName, digest: Digest, options: IoOptions): Promise<number> {
    const { catalog, images } = this.#options;
    // Reading first keeps the usual turn, where nothing is new, free of write locks.
    if ((await catalog.zstdChunked.image(repo, digest)) !== undefined) return 0;
    const set = await readHeldImages(
      { images, repositories: catalog.repositories },
      repo,
      digest,
      options,
    );
    if (set.images.length === 0) return 0;
    const sources = new Set([...set.images.map(({ manifest }) => manifest.digest), digest]);
    return catalog.zstdChunked.ensure(repo, [...sources]);
  }
}
