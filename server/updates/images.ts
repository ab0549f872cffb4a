import { listImages, readImage } from '../../delta/image.ts';
import type { BlobReader } from '../../storage/blob-store.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
import type { IoOptions } from '../../storage/object-store.ts';

/** What deciding and reconciling need of one image: no bytes of manifest or config. */
export interface ImageSummary {
  readonly platform: string;
  readonly manifest: { readonly digest: Digest; readonly size: number };
  readonly config: { readonly digest: Digest; readonly size: number };
  readonly layers: readonly {
    readonly digest: Digest;
    readonly size: number;
    readonly mediaType: string;
    readonly diffId: Digest;
  }[];
}

export interface BrokenImage {
  readonly digest: Digest;
  readonly error: unknown;
}

/** The images under a tag's digest that could be read, and why others could not. */
export interface ImageSet {
  readonly images: readonly ImageSummary[];
  readonly broken: readonly BrokenImage[];
  /** Not there: a sparse index names more than was pushed. They may come at any time. */
  readonly absent: readonly BrokenImage[];
}

/**
 * Of the platforms at hand, those that an image of `platform` can be the base for: the same one, else
 * those that differ only in that one side does not name a variant.
 */
export function basePlatforms(platform: string, atHand: readonly string[]): readonly string[] {
  if (atHand.includes(platform)) return [platform];
  return atHand.filter(
    (other) => other.startsWith(`${platform}/`) || platform.startsWith(`${other}/`),
  );
}

/** A sparse index is read again only after this long: each reading asks the store for every child. */
const ABSENT_MS = 5000;

/**
 * Reads indexes and images by digest and remembers what it read: the answers never change. Holds at
 * most `capacity` digests, the least recently used go first; what could not be read is not
 * remembered, since a missing blob may still come, and what was absent only for {@link ABSENT_MS}.
 */
export class ImageReader {
  readonly #blobs: BlobReader;
  readonly #capacity: number;
  readonly #clock: Clock;
  readonly #sets = new Map<Digest, { readonly set: ImageSet; readonly untilMs: number }>();

  constructor(blobs: BlobReader, capacity = 4096, clock: Clock = Date.now) {
    this.#blobs = blobs;
    this.#capacity = capacity;
    this.#clock = clock;
  }

  /** Every image under an index or image manifest. Rejects only when `signal` fired. */
  async read(digest: Digest, options: IoOptions = {}): Promise<ImageSet> {
    const known = this.#sets.get(digest);
    this.#sets.delete(digest);
    if (known !== undefined && this.#clock() < known.untilMs) {
      this.#sets.set(digest, known);
      return known.set;
    }
    const set = await this.#load(digest, options);
    options.signal?.throwIfAborted();
    if (set.broken.length === 0) this.#remember(digest, set);
    return set;
  }

  async #load(digest: Digest, options: IoOptions): Promise<ImageSet> {
    const absent: BrokenImage[] = [];
    const onAbsent = (child: Digest): void => {
      absent.push({ digest: child, error: notPushed(child, `index ${digest}`) });
    };
    let listed: Awaited<ReturnType<typeof listImages>>;
    try {
      listed = await listImages(this.#blobs, digest, { ...options, onAbsent });
    } catch (error) {
      return { images: [], broken: [{ digest, error }], absent };
    }
    const images: ImageSummary[] = [];
    const broken: BrokenImage[] = [];
    for (const { manifest, platform } of listed) {
      try {
        // What the index says of a platform is what clients go by; many configs lack the variant.
        images.push({ ...(await this.#summary(manifest.digest, options)), platform });
      } catch (error) {
        broken.push({ digest: manifest.digest, error });
      }
    }
    return { images, broken, absent };
  }

  async #summary(digest: Digest, options: IoOptions): Promise<ImageSummary> {
    const image = await readImage(this.#blobs, digest, options);
    return {
      platform: image.platform,
      manifest: { digest: image.manifest.digest, size: image.manifest.size },
      config: { digest: image.config.digest, size: image.config.size },
      layers: image.layers.map(({ descriptor, diffId }) => ({
        digest: descriptor.digest,
        size: descriptor.size,
        mediaType: descriptor.mediaType,
        diffId,
      })),
    };
  }

  #remember(digest: Digest, set: ImageSet): void {
    const untilMs = set.absent.length === 0 ? Infinity : this.#clock() + ABSENT_MS;
    this.#sets.set(digest, { set, untilMs });
    for (const oldest of this.#sets.keys()) {
      if (this.#sets.size <= this.#capacity) break;
      this.#sets.delete(oldest);
    }
  }
}

/** `missing`: what a sparse push left out. */
export function notPushed(image: Digest, where: string): StorageError {
  return new StorageError(
    'missing',
    `${where} names the image ${image}, of which not everything was pushed: push it, or leave it out`,
    { detail: { digest: image } },
  );
}
