import { createHash } from 'node:crypto';

/** The first bytes of a sha256 (FORMAT.md, "Numbers and bounds"). */
export const TAG_BYTES = 16;
export const SHORT_TAG_BYTES = 4;

export function tag16(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, TAG_BYTES);
}

export function tag4(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, SHORT_TAG_BYTES);
}
