import { createHash } from 'node:crypto';

/** Bytes that look random and are the same in every run. */
export function seededBytes(seed: string, size: number): Buffer {
  const block = createHash('shake256', { outputLength: 64 * 1024 })
    .update(seed)
    .digest();
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += block.length) {
    block.copy(bytes, at);
    if (at + 4 <= size) bytes.writeUInt32LE(at / block.length, at);
  }
  return bytes;
}
