import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeObjectName } from '../ostree/object-name.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';
import type { ChunkRow } from './layer-catalog.ts';

export interface OstreeRefTarget {
  readonly repo: RepoName;
  readonly ref: OstreeRef;
  readonly checksum: OstreeChecksum;
}

/** What the store's check asks about OSTree's rows. */
export interface OstreeAudit {
  /** Looks at some objects by number: how many, and those whose chunks don't make their size without a gap. */
  uneven(
    after: number | undefined,
    limit: number,
  ): Promise<{
    readonly looked: number;
    readonly uneven: readonly OstreeObjectName[];
    readonly next?: number | undefined;
  }>;
  /** Every ref, by repository and name. */
  refs(
    after: Pick<OstreeRefTarget, 'repo' | 'ref'> | undefined,
    limit: number,
  ): Promise<readonly OstreeRefTarget[]>;
  /** Chunks of objects, each place once, by pack and offset. */
  chunks(after: ChunkRow | undefined, limit: number): Promise<readonly ChunkRow[]>;
  /** Objects with a chunk there. */
  objectsAt(pack: Digest, offset: number, limit: number): Promise<readonly OstreeObjectName[]>;
  /** What stops working without the object, in words: refs first (`ref fleet/os:stable`), else commits. */
  affected(name: OstreeObjectName, limit: number): Promise<readonly string[]>;
}
