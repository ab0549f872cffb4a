/** `length` new bytes from `fresh` resemble as many old ones from `old`: 12 bytes. */
@unmanaged
export class Block {
  fresh: u32;
  old: u32;
  length: u32;
}

export const BLOCK_BYTES: usize = 12;

/** Blocks of a pair, at most: what the memory of an applying device allows (FORMAT.md). */
export const MAX_BLOCKS: u32 = 131072;
/** Matching leaves room for those that holes cut in two. */
export const MAX_MATCHED: u32 = MAX_BLOCKS - 16;
