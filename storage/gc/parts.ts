import type { Catalog } from '../catalog/catalog.ts';
import { uploadOfPart, UPLOADS_PREFIX } from '../keys.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';

export interface PartSweepOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Pick<Catalog, 'uploads'>;
  readonly dryRun: boolean;
}

/**
 * Removes parts from before `beforeMs` whose session is no more; returns how many. A younger part may
 * be of a session whose row is about to name it.
 */
export async function sweepParts(options: PartSweepOptions, beforeMs: number): Promise<number> {
  const { objects, catalog, dryRun, signal } = options;
  let removed = 0;
  for await (const { key, modifiedMs } of objects.list(UPLOADS_PREFIX, { signal })) {
    const id = uploadOfPart(key);
    if (id === undefined || modifiedMs > beforeMs) continue;
    if ((await catalog.uploads.get(id)) !== undefined) continue;
    if (!dryRun) await objects.delete(key, { signal });
    removed += 1;
  }
  return removed;
}
