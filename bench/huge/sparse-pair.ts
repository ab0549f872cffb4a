import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const GIB = 2 ** 30;
const ISLAND_BYTES = 300_000;
const HASH_BYTES = 32;

/** Where bytes other than zero lie: at the start, across the 4 GiB border, behind it, and at the end. */
const ISLANDS = {
  old: [0, 4 * GIB - 50_000, 4 * GIB + 9_000_000],
  new: [4096, 4 * GIB - 40_000, 4 * GIB + 9_500_000],
} as const;

/** Writes one of two sparse files of `size` bytes that hold the same islands at other places. */
export async function writeSparse(path: string, side: 'old' | 'new', size: number): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.truncate(size);
    const places = [...ISLANDS[side], size - ISLAND_BYTES];
    for (const [number, place] of places.entries()) {
      await file.write(island(number), 0, ISLAND_BYTES, place);
    }
  } finally {
    await file.close();
  }
}

/** Bytes that do not compress, other ones for each number. */
function island(number: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < ISLAND_BYTES; at += HASH_BYTES) {
    parts.push(createHash('sha256').update(`${number}:${at}`).digest());
  }
  return Buffer.concat(parts);
}
