import { open } from 'node:fs/promises';

import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { checkAborted } from '../errors.ts';
import type { Segment } from './segments.ts';

/** bsdiff's search compares whole runs again and again: 50 s for one MiB of zeros. */
const MIN_RUN_BYTES = 4096;
const READ_BYTES = 1024 * 1024;

/**
 * Copies bytes to a file without the long runs of one byte value in them, and says where the rest
 * comes from. The runs cost next to nothing as compressed literals.
 */
export async function writeWithoutRuns(
  source: RandomAccess,
  path: string,
  options: IoOptions,
): Promise<readonly Segment[]> {
  const segments: Segment[] = [];
  let written = 0;
  const file = await open(path, 'wx');
  try {
    for await (const { origin, bytes } of stretches(source, options)) {
      await file.writeFile(bytes);
      const last = segments.at(-1);
      if (last !== undefined && last.origin + last.length === origin) {
        segments[segments.length - 1] = { ...last, length: last.length + bytes.length };
      } else {
        segments.push({ start: written, origin, length: bytes.length });
      }
      written += bytes.length;
    }
  } finally {
    await file.close();
  }
  return segments;
}

/** What lies between long runs. A run that two reads share is two runs here: it may stay in part. */
async function* stretches(
  source: RandomAccess,
  { signal }: IoOptions,
): AsyncGenerator<{ readonly origin: number; readonly bytes: Buffer }> {
  for (let at = 0; at < source.size; at += READ_BYTES) {
    checkAborted(signal, 'comparing files');
    const block = await source.read(at, Math.min(READ_BYTES, source.size - at));
    let start = 0;
    for (const run of longRuns(block)) {
      if (run.start > start) yield { origin: at + start, bytes: block.subarray(start, run.start) };
      start = run.end;
    }
    if (start < block.length) yield { origin: at + start, bytes: block.subarray(start) };
  }
}

function* longRuns(block: Buffer): Generator<{ readonly start: number; readonly end: number }> {
  let at = 0;
  while (at < block.length) {
    let end = at + 1;
    while (end < block.length && block[end] === block[at]) end += 1;
    if (end - at >= MIN_RUN_BYTES) yield { start: at, end };
    at = end;
  }
}
