import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { Lease } from '../../../storage/catalog/layer-catalog.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { deltaResult } from './deltas.ts';
import { chunk, chunkedLayer } from './layers.ts';
import { named } from './names.ts';
import { deltaFile, OSTREE_RESULT, ostreePair } from './ostree-deltas.ts';
import { pair } from './pairs.ts';

const LEASE_MS = 1000;
const TEN_YEARS_MS = 10 * 365 * 24 * 3_600_000;

/** A queue whose rows are held under leases while somebody works on them. */
interface Queue {
  /** The one row that there is to do. */
  readonly add: () => Promise<unknown>;
  /** Takes it. */
  readonly take: (owner: string) => Promise<Lease>;
  /** Ends the work with what it came to. */
  readonly finish: (lease: Lease, outcome: string) => Promise<void>;
  /** All that readers see of it. */
  readonly look: () => Promise<unknown>;
}

function need<T>(claim: T | undefined): T {
  if (claim === undefined) throw new Error('nothing to claim');
  return claim;
}

const QUEUES: Readonly<Record<string, (catalog: Catalog) => Queue>> = {
  layers: ({ layers }) => ({
    add: () => layers.ensure(named('a'), 'tar'),
    take: async (owner) => need(await layers.claim(owner, LEASE_MS)).lease,
    finish: (lease, by) =>
      layers.finish(named('a'), lease, chunkedLayer(by, [chunk(`${by} chunk`, `${by} pack`)])),
    look: async () => [
      await layers.get(named('a')),
      await layers.findChunks(['w1', 'w2'].map((by) => named(`${by} chunk`))),
    ],
  }),
  deltas: ({ deltas }) => ({
    add: () => deltas.ensure([pair('1', '2')], 0),
    take: async (owner) => need(await deltas.claim(owner, LEASE_MS)).lease,
    finish: (lease, by) => deltas.publish(1, lease, deltaResult(by)),
    look: () => deltas.get(1),
  }),
  'static deltas': ({ ostreeDeltas }) => ({
    add: () => ostreeDeltas.ensure([ostreePair('a', 'b')], 0),
    take: async (owner) => need(await ostreeDeltas.claim(owner, LEASE_MS)).lease,
    finish: (lease, by) =>
      ostreeDeltas.publish(1, lease, OSTREE_RESULT, [deltaFile('superblock', by)]),
    look: async () => [
      await ostreeDeltas.get(1),
      await ostreeDeltas.file(ostreePair('a', 'b'), 'superblock', 0),
    ],
  }),
};

/** Who hangs with a lease and wakes when another has the row changes nothing. */
export function fencingSuite(setup: CatalogUnderTest): void {
  describe.each(Object.entries(QUEUES))('fencing of %s', (_, queueOf) => {
    test('who wakes after a successor published is refused, and nothing is changed', async () => {
      const { catalog, clock } = await setup();
      const queue = queueOf(catalog);
      await queue.add();
      const hung = await queue.take('w1');
      clock.nowMs += LEASE_MS;
      const successor = await queue.take('w2');
      expect(successor.fence).toBeGreaterThan(hung.fence);
      await queue.finish(successor, 'w2');
      const published = await queue.look();
      clock.nowMs += 1;
      await expect(queue.finish(hung, 'w1')).rejects.toMatchObject({
        code: 'conflict',
        retryable: false,
      });
      expect(await queue.look()).toEqual(published);
    });

    test('who wakes while its successor works, under the same name as well, is refused', async () => {
      const { catalog, clock } = await setup();
      const queue = queueOf(catalog);
      await queue.add();
      const hung = await queue.take('w1');
      clock.nowMs += LEASE_MS;
      const successor = await queue.take('w1');
      const before = await queue.look();
      await expect(queue.finish(hung, 'w1')).rejects.toMatchObject({ code: 'conflict' });
      expect(await queue.look()).toEqual(before);
      await queue.finish(successor, 'w2');
    });

    test('a clock that was ten years ahead holds no row, and its holder is refused', async () => {
      const { catalog, clock } = await setup();
      const queue = queueOf(catalog);
      clock.nowMs += TEN_YEARS_MS;
      await queue.add();
      const ahead = await queue.take('w1');
      clock.nowMs -= TEN_YEARS_MS;
      const successor = await queue.take('w2');
      await expect(queue.finish(ahead, 'w1')).rejects.toMatchObject({ code: 'conflict' });
      await queue.finish(successor, 'w2');
    });

    test('what became due by such a clock is due once it is right', async () => {
      const { catalog, clock } = await setup();
      const queue = queueOf(catalog);
      clock.nowMs += TEN_YEARS_MS;
      await queue.add();
      clock.nowMs -= TEN_YEARS_MS;
      await queue.finish(await queue.take('w1'), 'w1');
    });
  });
}
