import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';

import { errnoOf, fromErrno, syncDirectory } from '../storage/durable.ts';
import type { IoOptions } from '../storage/object-store.ts';
import { FileAccess } from '../storage/random-access.ts';
import { applyDelta, checkBaseFile, openDelta, type DeltaFile } from './apply.ts';
import { DeltaError, isDeltaError } from './errors.ts';
import { tag4 } from './format/tag.ts';

export interface ApplyFileOptions extends IoOptions {
  readonly old: string;
  readonly delta: string;
  readonly output: string;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Applies a file or tar delta. Digests of frames and of the whole tell that `old` or the delta is not
 * what it should be; then `old` is hashed, to tell which (`wrong_base` when it is another file). The output
 * grows beside its place, under a name that tells the delta, and is renamed once its digest is
 * right. A failure leaves nothing there. What a killed apply left is its journal: the next one checks it
 * frame by frame and goes on after the last that is whole.
 */
export async function applyFileDelta(options: ApplyFileOptions): Promise<void> {
  const source = await openForReading(options.delta);
  try {
    const old = await openForReading(options.old);
    try {
      await apply(source, old, options);
    } finally {
      await old.close();
    }
  } finally {
    await source.close();
  }
}

async function apply(
  source: FileAccess,
  old: FileAccess,
  options: ApplyFileOptions,
): Promise<void> {
  const delta = await openDelta(source);
  const [base] = delta.base;
  if (delta.kind === 'image' || base === undefined) {
    throw new DeltaError(
      'wrong_base',
      `${options.delta} is a delta between images (${delta.from ?? ''} to ${delta.to ?? ''}), not between files`,
    );
  }
  const part = await partPath(delta, options.output);
  const earlier = await openPart(part);
  try {
    await applyDelta(
      delta,
      { tar: () => Promise.resolve(old) },
      {
        existing: () => Promise.resolve(earlier),
        output: (_output, start) => Promise.resolve(writePart(part, start, earlier !== undefined)),
      },
      { signal: options.signal, onProgress: options.onProgress },
    );
    await finishPart(part, delta.outputs[0]?.size ?? 0);
    await rename(part, options.output);
  } catch (error) {
    await rm(part, { force: true });
    if (isDamage(error)) await checkBaseFile(old, base, { signal: options.signal });
    throw fromErrno(error, `writing ${options.output}`);
  } finally {
    await earlier?.close();
  }
  await syncDirectory(dirname(options.output));
}

const DAMAGE = ['wrong_base', 'output_mismatch', 'bad_format'] as const;

/** What another base than the delta's leads to, and a damaged delta. */
function isDamage(error: unknown): boolean {
  return DAMAGE.some((code) => isDeltaError(error, code));
}

/** `.NAME.xxxxxxxx.part` beside the output; the digits are those of the delta's header. */
async function partPath({ source, framesOffset }: DeltaFile, output: string): Promise<string> {
  const digits = tag4(await source.read(0, framesOffset)).toString('hex');
  return join(dirname(output), `.${basename(output)}.${digits}.part`);
}

async function openPart(path: string): Promise<FileAccess | undefined> {
  try {
    return await FileAccess.open(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw fromErrno(error, `opening ${path}`);
  }
}

/** Never cuts the file: another apply of the same delta would write the same bytes there. */
function writePart(path: string, start: number, isThere: boolean): Writable {
  return createWriteStream(path, { flags: isThere ? 'r+' : 'w', start });
}

/** Drops what an earlier apply left behind the end, and makes the bytes durable. */
async function finishPart(path: string, size: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.truncate(size);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Opens a file; throws `StorageError` `missing` or `unavailable`. */
export async function openForReading(path: string): Promise<FileAccess> {
  try {
    return await FileAccess.open(path);
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
}
