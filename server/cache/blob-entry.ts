import type { CachedObject } from '../../storage/catalog/cache-objects.ts';
import type { Digest } from '../../storage/digest.ts';
import type { Fill } from './fill.ts';
import type { UpstreamBlobs } from './upstream-blobs.ts';

/** An open blob of the cache. Who holds it keeps it open and in place. */
export class BlobEntry {
  readonly digest: Digest;
  /** Rejects when the file can't be opened; the entry is then spent. */
  readonly opening: Promise<Fill>;
  /** Where the origin has it, when not at its usual path; as the last holder that knows said. */
  path: string | undefined;
  /** Who has it at that path, when not the origin. */
  from: UpstreamBlobs | undefined;
  /** Set once {@link opening} has resolved. */
  fill: Fill | undefined;
  /** What the catalog says of it. */
  row: CachedObject | undefined;
  /** Bytes that its holders will bring at most. */
  reserved = 0;
  /** Set while it is being closed or removed; whoever comes waits, and opens it anew. */
  going: Promise<void> | undefined;
  /** The disk was full while it was filled: it goes with its last holder. */
  unkept = false;
  #holders = 0;

  constructor(digest: Digest, open: (entry: BlobEntry) => Promise<Fill>) {
    this.digest = digest;
    this.opening = open(this);
  }

  get idle(): boolean {
    return this.#holders === 0 && this.fill?.busy !== true && this.going === undefined;
  }

  hold(): void {
    this.#holders += 1;
  }

  /** True when it was the last one. */
  release(): boolean {
    this.#holders -= 1;
    if (this.#holders === 0) this.reserved = 0;
    return this.#holders === 0;
  }

  /** Bytes that it takes on disk, or will, past what its row says. */
  get extraBytes(): number {
    if (this.fill === undefined) return 0;
    const { size, presentBytes } = this.fill.file;
    return Math.min(size, presentBytes + this.reserved) - (this.row?.bytes ?? 0);
  }
}
