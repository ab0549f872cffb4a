/** `length` new bytes from `fresh` resemble as many old ones from `old`: 12 bytes. */
@unmanaged
export class Block {
  fresh: u32;
  old: u32;
  length: u32;
}

export const BLOCK_BYTES: usize = 12;
