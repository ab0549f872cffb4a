import { createHash } from 'node:crypto';

export const TAG_BYTES = 16;

/** The first 16 bytes of the sha256 (FORMAT.md, "Numbers and bounds"). */
export function tag16(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, TAG_BYTES);
}
