import { expect, onTestFinished, test, vi } from 'vitest';

import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { auditSuite } from './catalog/audit.ts';
import { deltaSuite } from './catalog/deltas.ts';
import { fencingSuite } from './catalog/fencing.ts';
import { fleetSuite } from './catalog/fleet.ts';
import { gcCondemnedSuite } from './catalog/gc-condemned.ts';
import { gcTurnsSuite } from './catalog/gc-turns.ts';
import { gcSuite } from './catalog/gc.ts';
import { layerSuite } from './catalog/layers.ts';
import { named, REPO, TestClock } from './catalog/names.ts';
import { ostreeBuildSuite } from './catalog/ostree-builds.ts';
import { ostreeDeltaSuite } from './catalog/ostree-deltas.ts';
import { ostreeGcSuite } from './catalog/ostree-gc.ts';
import { ostreeRefSuite } from './catalog/ostree-refs.ts';
import { ostreeSuite } from './catalog/ostree.ts';
import { repositorySuite } from './catalog/repositories.ts';
import { retentionSuite } from './catalog/retention.ts';
import { signingKeySuite } from './catalog/signing-keys.ts';
import { uploadSuite } from './catalog/uploads.ts';
import { zstdChunkedSuite } from './catalog/zstd-chunked.ts';

/** A fresh, empty catalog for one test, on a clock that the test moves. */
export type CatalogUnderTest = () => Promise<{
  readonly catalog: Catalog;
  readonly clock: TestClock;
}>;

/**
 * What every implementation of {@link Catalog} must do. `open` gives an empty catalog each time; the
 * suite closes it. An engine that tells of removals over a connection may count one twice.
 */
export function catalogSuite(
  open: (clock: Clock) => Promise<Catalog>,
  { countsOnce = true }: { readonly countsOnce?: boolean } = {},
): void {
  const setup = async () => {
    const clock = new TestClock();
    const catalog = await open(clock.read);
    onTestFinished(() => catalog.close());
    return { catalog, clock };
  };
  test('answers a ping', async () => {
    const { catalog } = await setup();
    await catalog.ping();
  });
  test('the removal epoch tells of every removal, and of nothing else', async () => {
    const { catalog, clock } = await setup();
    const { repositories, gc } = catalog;
    const digest = named('blob');
    const soon = clock.read() + 1;
    const cutoff = {
      unnamedBeforeMs: soon,
      retiredBeforeMs: soon,
      keptCommits: 10,
      liveSinceMs: soon,
    };
    const steps: readonly (readonly [removes: boolean, () => Promise<unknown>])[] = [
      [false, () => repositories.linkBlob(REPO, digest, 1)],
      [true, () => repositories.unlinkBlob(REPO, digest)],
      [false, () => repositories.unlinkBlob(REPO, digest)],
      [true, () => gc.condemn([digest], cutoff, soon + 1000)],
      [true, () => gc.settle([digest], [], soon + 1000, soon + 1000)],
      [false, () => repositories.linkBlob(REPO, digest, 1, { created: true })],
      [true, () => gc.prune(cutoff, 10)],
    ];
    await vi.waitUntil(() => catalog.removalEpoch() !== undefined);
    for (const [index, [removes, step]] of steps.entries()) {
      const before = catalog.removalEpoch();
      await step();
      const isTold = catalog.removalEpoch() !== before;
      expect([index, isTold]).toEqual([index, removes || (isTold && !countsOnce)]);
    }
  });
  repositorySuite(setup);
  retentionSuite(setup);
  uploadSuite(setup);
  layerSuite(setup);
  zstdChunkedSuite(setup);
  deltaSuite(setup);
  fencingSuite(setup);
  fleetSuite(setup);
  ostreeSuite(setup);
  ostreeRefSuite(setup);
  ostreeGcSuite(setup);
  ostreeDeltaSuite(setup);
  ostreeBuildSuite(setup);
  gcSuite(setup);
  gcCondemnedSuite(setup);
  gcTurnsSuite(setup);
  auditSuite(setup);
  signingKeySuite(setup);
}
