import { open } from 'node:fs/promises';

import type { DigestHasher } from '../../storage/digest.ts';

const PIECE_BYTES = 128 * 1024;

/** Feeds a file's bytes to a hasher, through one small buffer: a stream's would wait for the collector. */
export async function hashFile(
  path: string,
  hasher: DigestHasher,
  signal?: AbortSignal,
): Promise<void> {
  const file = await open(path, 'r');
  try {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead === 0) return;
      hasher.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
