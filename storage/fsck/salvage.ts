import { BlobStore } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { ChunkRow } from '../catalog/layer-catalog.ts';
import { PackWriter } from '../chunk/pack.ts';
import { openChunk } from '../chunk/restore.ts';
import type { Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import { blobKey, type ObjectKey } from '../keys.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';

export interface SalvageOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Catalog;
  readonly scratch: string;
}

/**
 * Moves the chunks of OSTree objects out of a damaged pack into a new one: frames that are still right in
 * what was put `aside`, and those that lie in other packs as well. Objects that need a chunk which is
 * nowhere whole stay with the lost pack, and are pushed again. Returns how many chunks were moved.
 */
export async function salvageChunks(
  pack: Digest,
  aside: ObjectKey | undefined,
  options: SalvageOptions,
): Promise<number> {
  const { objects, catalog, scratch, signal } = options;
  const places = await catalog.audit.repair.ostreePlaces(pack);
  if (places.length === 0) return 0;
  const writer = await PackWriter.open(scratch);
  try {
    const moved: Omit<ChunkRow, 'pack'>[] = [];
    for (const place of places) {
      const frame = await findFrame(place, aside, options);
      if (frame === undefined) continue;
      const offset = await writer.append(frame);
      const { digest, rawLength } = place;
      moved.push({ digest, offset, length: frame.length, rawLength });
    }
    if (moved.length === 0) return 0;
    const to = await writer.store(new BlobStore(objects), { signal });
    const chunks = moved.map((chunk) => ({ ...chunk, pack: to.digest }));
    await catalog.audit.repair.moveChunks({ from: pack, to, chunks });
    return moved.length;
  } finally {
    await writer.dispose();
  }
}

/** A frame of the chunk that decodes to it. */
async function findFrame(
  place: ChunkRow,
  aside: ObjectKey | undefined,
  options: SalvageOptions,
): Promise<Buffer | undefined> {
  if (aside !== undefined) {
    const frame = await readFrame(aside, place, options);
    if (frame !== undefined) return frame;
  }
  for (const other of await options.catalog.audit.repair.otherPlaces(place.digest, place.pack)) {
    const frame = await readFrame(blobKey(other.pack), other, options);
    if (frame !== undefined) return frame;
  }
  return undefined;
}

async function readFrame(
  key: ObjectKey,
  chunk: ChunkRow,
  { objects, signal }: SalvageOptions,
): Promise<Buffer | undefined> {
  const range = { start: chunk.offset, endExclusive: chunk.offset + chunk.length };
  try {
    const parts: Buffer[] = [];
    for await (const part of await objects.open(key, { range, signal })) parts.push(part as Buffer);
    const frame = Buffer.concat(parts);
    await openChunk(frame, chunk);
    return frame;
  } catch (error) {
    if (error instanceof StorageError && error.code !== 'aborted') return undefined;
    throw error;
  }
}
