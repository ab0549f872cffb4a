import type { GcCatalog, GcCutoff, GcRows, OstreeLinkPlace } from '../catalog/gc-catalog.ts';
import { checkAborted } from '../durable.ts';

type Removed = Pick<GcRows, 'ostreeLinks' | 'ostreeObjects'>;

/**
 * Removes the links of OSTree objects that no ref reaches, then the objects that no repository has, at
 * most `limit` rows in a transaction. What is removed is looked at again within it, so a ref that
 * moves, or a push that asks what is missing, is never too late by a pass.
 */
export async function pruneOstree(
  gc: GcCatalog,
  cutoff: GcCutoff,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Removed> {
  const check = (): void => {
    checkAborted(signal, 'garbage collection');
  };
  let ostreeLinks = 0;
  for (let removed = 1; removed > 0; ostreeLinks += removed) {
    removed = 0;
    let place: OstreeLinkPlace | undefined;
    do {
      check();
      const page = await gc.pruneOstreeLinks(cutoff, place, limit);
      removed += page.removed;
      place = page.next;
    } while (place !== undefined);
  }
  let ostreeObjects = 0;
  let after: number | undefined;
  do {
    check();
    const page = await gc.pruneOstreeObjects(cutoff, after, limit);
    ostreeObjects += page.removed;
    after = page.next;
  } while (after !== undefined);
  return { ostreeLinks, ostreeObjects };
}
