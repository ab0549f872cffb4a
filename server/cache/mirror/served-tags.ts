import type { CachedManifest, CachedManifests } from '../../../storage/catalog/cache-manifests.ts';
import type { CachedObjects } from '../../../storage/catalog/cache-objects.ts';
import { isDigest, type Digest } from '../../../storage/digest.ts';
import type { NeededBlob } from './needs.ts';

/** Tags that are looked at, the latest asked for first. */
const MAX_TAGS = 1000;
/** Manifests whose children are remembered; they never change. */
const MAX_KNOWN = 4096;

export interface ServedTagsOptions {
  readonly manifests: CachedManifests;
  readonly objects: Pick<CachedObjects, 'present'>;
}

/** What a manifest names. */
interface Children {
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
}

/** What clients that pull by tag need, of whichever registry: manifests, and the blobs that are here. */
export class ServedTags {
  readonly #options: ServedTagsOptions;
  /** Oldest first. */
  readonly #known = new Map<Digest, Children>();

  constructor(options: ServedTagsOptions) {
    this.#options = options;
  }

  /**
   * Of the tags that were served since then, the latest first: those manifests of an index that are not
   * here, and blobs of which nothing is, are needed by nobody. Sizes are what blobs have here.
   */
  async needs(sinceMs: number): Promise<{
    readonly manifests: readonly Digest[];
    readonly blobs: readonly NeededBlob[];
  }> {
    const manifests = new Set<Digest>();
    const blobs = new Set<Digest>();
    for (const root of await this.#options.manifests.taggedSince(sinceMs, MAX_TAGS)) {
      for (const digest of [root, ...((await this.#children(root))?.manifests ?? [])]) {
        const children = await this.#children(digest);
        if (children === undefined) continue;
        manifests.add(digest);
        for (const blob of children.blobs) blobs.add(blob);
      }
    }
    const present = await this.#options.objects.present([...blobs]);
    const here = [...blobs].flatMap((digest) => {
      const size = present.get(digest);
      return size === undefined ? [] : [{ digest, size }];
    });
    return { manifests: [...manifests], blobs: here };
  }

  /** Undefined when the manifest is not here. */
  async #children(digest: Digest): Promise<Children | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const manifest = await this.#options.manifests.get(digest);
    if (manifest === undefined) return undefined;
    const children = childrenOf(manifest);
    this.#known.set(digest, children);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    return children;
  }
}

/** Whatever the media type; a manifest that can't be read names nothing. */
function childrenOf({ body }: Pick<CachedManifest, 'body'>): Children {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return { manifests: [], blobs: [] };
  }
  const { manifests, config, layers } = fieldsOf(value);
  return { manifests: digestsOf(manifests), blobs: digestsOf([config, ...listOf(layers)]) };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function digestsOf(descriptors: unknown): readonly Digest[] {
  return listOf(descriptors).flatMap((descriptor) => {
    const { digest } = fieldsOf(descriptor);
    return typeof digest === 'string' && isDigest(digest) ? [digest] : [];
  });
}
