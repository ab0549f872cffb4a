import type { Digest } from '../../../storage/digest.ts';

export type MirrorItemKind = 'tag' | 'manifest' | 'delta' | 'index' | 'pack' | 'layer' | 'ostree';

/** Something that is to be here ahead of demand. */
export interface MirrorItem {
  readonly kind: MirrorItemKind;
  /** A digest; of tags and refs their repository and name. With the kind it tells the item from all others. */
  readonly name: string;
  /** That it takes here. */
  readonly bytes: number;
  readonly here: boolean;
  /** Blobs that are not evicted, since it is wanted. */
  readonly pins: readonly Digest[];
  /** False: nothing may be fetched now. Throws what the fetch throws; what came stays. */
  readonly fetch: (signal: AbortSignal) => Promise<boolean>;
}

/** Asked before bytes are fetched; false: nothing may be fetched now. */
export type Admit = (bytes: number) => Promise<boolean>;
