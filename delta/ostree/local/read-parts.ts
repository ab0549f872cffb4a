import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

import { fromErrno } from '../../../storage/durable.ts';
import { checkAborted, DeltaError } from '../../errors.ts';

const READ_BYTES = 256 * 1024;

/**
 * A file's bytes in parts. It is opened when the first is asked for and closed after the last, or when
 * it is given up; a symlink in its place is not followed. Throws
 * `missing`, `unavailable`, `aborted`.
 */
export async function* readParts(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
  const file = await open(path, flags).catch((error: unknown) => {
    throw fromErrno(error, `can't read ${path}`);
  });
  try {
    for (;;) {
      checkAborted(signal, `reading ${path}`);
      const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(READ_BYTES) });
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** A whole file of at most that many bytes. Throws `too_large`, and as {@link readParts}. */
export async function readBounded(
  path: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of readParts(path, signal)) {
    size += part.length;
    if (size > maxBytes) {
      throw new DeltaError('too_large', `${path} has more than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}
