import { setTimeout as sleep } from 'node:timers/promises';

import { createManifestReader } from '../../server/oci/manifest-reader.ts';
import { openStore } from '../../server/open-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaState } from '../../storage/catalog/delta-catalog.ts';
import { checkStore } from '../../storage/fsck/check.ts';

const QUIET_MS = 180_000;

/** What fsck finds in a server's folder, in words. */
export async function checkFiles(data: string, quick: boolean): Promise<readonly string[]> {
  const store = await openStore({ data, store: { kind: 'fs' } });
  try {
    const { blobs, catalog } = store;
    const readManifest = quick ? undefined : createManifestReader();
    const objects = blobs.objects;
    const { faults, absent } = await checkStore({ objects, catalog, quick, readManifest });
    return [
      ...faults.map(({ kind, subject, affects }) => `fsck: ${kind} ${subject}: ${affects}`),
      ...absent.map(({ digest, affects }) => `fsck: absent ${digest}: ${affects}`),
    ];
  } finally {
    await store.close();
  }
}

export interface QuietMatrix {
  /** Rows under way that no builder has ended. */
  readonly stuck: number;
  /** Rows that were given up. */
  readonly failed: number;
  /** Deltas of images and of commits. */
  readonly published: number;
}

/** Waits until builders have nothing more to do; what they have not ended by then is stuck. */
export async function waitForQuiet(data: string): Promise<QuietMatrix> {
  const store = await openStore({ data, store: { kind: 'fs' } });
  try {
    const until = Date.now() + QUIET_MS;
    for (;;) {
      const found = await countRows(store.catalog);
      if (found.stuck === 0 || Date.now() > until) return found;
      await sleep(200);
    }
  } finally {
    await store.close();
  }
}

async function countRows(catalog: Catalog): Promise<QuietMatrix> {
  const layers = await catalog.layers.counts();
  const rows = [await catalog.deltas.counts(), await catalog.ostreeDeltas.counts()];
  const sum = (...states: readonly DeltaState[]): number =>
    rows.flatMap((counts) => states.map((state) => counts[state])).reduce((a, b) => a + b, 0);
  return {
    stuck: layers.pending + layers.chunking + sum('pending', 'building', 'proving'),
    failed: sum('failed'),
    published: sum('published'),
  };
}
