import { open, type FileHandle } from 'node:fs/promises';

import type { DigestHasher } from '../../storage/digest.ts';

const PIECE_BYTES = 128 * 1024;

/** Feeds a file's bytes to a hasher. */
export async function hashFile(
  path: string,
  hasher: DigestHasher,
  signal?: AbortSignal,
): Promise<void> {
  const file = await open(path, 'r');
  try {
    for await (const piece of readPieces(file, 0)) {
      signal?.throwIfAborted();
      hasher.update(piece);
    }
  } finally {
    await file.close();
  }
}

/**
 * A file's bytes from byte `start` on, through one small buffer: a stream's would wait for the
 * collector. A piece is good until the next is asked for.
 */
export async function* readPieces(file: FileHandle, start: number): AsyncGenerator<Buffer> {
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  for (let at = start; ;) {
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}
