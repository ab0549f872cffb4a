import type { RetentionCatalog } from '../catalog/retention-catalog.ts';
import type { Digest } from '../digest.ts';
import type { RepositoryPlan, Verdict } from './plan.ts';

interface Count {
  readonly size: number;
  /** Manifests, or repositories, that name it and go. */
  going: number;
  readonly names: number;
  readonly first: Verdict;
}

/**
 * What the collector could remove once the plans are carried out: blobs, as pushed, that nothing but
 * manifests that go names. Chunks and deltas come on top. Each blob counts for the first verdict that
 * lets it go.
 */
export class FreedBytes {
  readonly #catalog: RetentionCatalog;
  readonly #blobs = new Map<Digest, Count>();

  constructor(catalog: RetentionCatalog) {
    this.#catalog = catalog;
  }

  /** Before the plan is carried out. */
  async add({ repo, because }: RepositoryPlan): Promise<void> {
    const { manifests, blobs } = await this.#catalog.blobsOf(repo, [...because.keys()]);
    for (const manifest of manifests) this.#count(manifest, because.get(manifest.digest));
    for (const blob of blobs) this.#count(blob, because.get(blob.parent));
  }

  /** Bytes of each verdict that frees any. */
  byVerdict(): ReadonlyMap<Verdict, number> {
    const bytes = new Map<Verdict, number>();
    for (const { size, going, names, first } of this.#blobs.values()) {
      if (going >= names) bytes.set(first, (bytes.get(first) ?? 0) + size);
    }
    return bytes;
  }

  #count(
    { digest, size, names }: Pick<Count, 'size' | 'names'> & { readonly digest: Digest },
    verdict: Verdict | undefined,
  ): void {
    if (verdict === undefined) return;
    const known = this.#blobs.get(digest);
    if (known !== undefined) known.going += 1;
    else this.#blobs.set(digest, { size, names, going: 1, first: verdict });
  }
}
