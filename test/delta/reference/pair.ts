import type { Block, BlockMap } from './block-map.ts';
import type { Bytes } from './bytes.ts';
import type { Hole } from './head.ts';
import type { Image } from './image.ts';
import type { OldReferences } from './scan.ts';
import type { ArmModes } from './arm-modes.ts';

/** What is known of a pair once its control is read. */
export interface Pair {
  readonly old: Bytes;
  readonly images: readonly Image[];
  readonly references: OldReferences;
  readonly armModes: ArmModes;
  readonly fresh: Image;
  readonly holes: readonly Hole[];
  readonly blocks: readonly Block[];
  readonly map: BlockMap;
}

/** The executable whose file holds the old byte at `offset`. */
export function imageAt(pair: Pair, offset: number): Image | undefined {
  return pair.images.find(
    (image) => offset >= image.fileOffset && offset < image.fileOffset + image.fileBytes,
  );
}
