import { randomBytes } from 'node:crypto';

import type { UploadCatalog, UploadPart, UploadSession } from '../catalog/upload-catalog.ts';
import { isStorageError } from '../errors.ts';
import { uploadPartKey } from '../keys.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';
import { Intake } from './intake.ts';
import { findParts, readParts } from './parts.ts';

/** So many parts of a size class, one behind the other, become one part. */
const FAN = 64;
/** Larger parts stay: a merge copies 256 MiB at most, and is done before an append is answered. */
const MERGED_BELOW_BYTES = 4 * 1024 * 1024;

/** Each class is 64 times as large as the one before: below 64 bytes, 4 KiB, 256 KiB, 4 MiB. */
function sizeClass(bytes: number): number {
  return bytes >= MERGED_BELOW_BYTES ? Infinity : Math.floor(Math.log2(bytes) / Math.log2(FAN));
}

/**
 * The parts at the session's end that should become one; empty when there are too few. A session so
 * keeps at most some 250 parts below 4 MiB, and each byte is copied at most four times.
 */
export function mergeableParts(parts: readonly UploadPart[]): readonly UploadPart[] {
  for (
    let limit = Math.floor(Math.log2(MERGED_BELOW_BYTES) / Math.log2(FAN));
    limit >= 0;
    limit -= 1
  ) {
    const large = parts.findLastIndex(({ size }) => sizeClass(size) > limit);
    const run = parts.slice(large + 1);
    const same = run.filter(({ size }) => sizeClass(size) === limit).length;
    if (same >= FAN) return run;
  }
  return [];
}

/**
 * Makes one part of those, which follow each other. The new object is durable before the rows change,
 * and the rows change before the old objects go: a crash leaves objects that no row names, which end
 * with the session. Of two that merge at once one wins. Throws `StorageError`; the session then stands
 * as it was.
 */
export async function mergeParts(
  stores: { readonly objects: ObjectStore; readonly uploads: UploadCatalog },
  session: Pick<UploadSession, 'id'>,
  parts: readonly UploadPart[],
  { signal }: IoOptions,
): Promise<void> {
  const { objects, uploads } = stores;
  const [first] = parts;
  const found = await findParts(objects, { id: session.id, parts }, signal);
  // Another process merges them right now.
  if (found === undefined || first === undefined) return;
  const bytes = new Intake(readParts(objects, found, signal), {
    what: `merge in upload ${session.id}`,
    length: parts.reduce((sum, { size }) => sum + size, 0),
    signal,
  });
  const key = uploadPartKey(session.id, first.offset, randomBytes(8).toString('hex'));
  await objects.put(key, bytes);
  try {
    bytes.check();
  } catch (error) {
    await objects.delete(key);
    throw error;
  }
  try {
    const { size, digest } = bytes;
    await uploads.merge(session.id, parts, { offset: first.offset, size, digest });
  } catch (error) {
    // Only a conflict says for certain that no row names the new part.
    if (isStorageError(error, 'conflict')) await objects.delete(key);
    throw error;
  }
  for (const { key: old } of found) await objects.delete(old);
}
