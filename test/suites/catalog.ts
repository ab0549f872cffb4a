import { expect, onTestFinished, test } from 'vitest';

import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { auditSuite } from './catalog/audit.ts';
import { deltaSuite } from './catalog/deltas.ts';
import { fleetSuite } from './catalog/fleet.ts';
import { gcSuite } from './catalog/gc.ts';
import { layerSuite } from './catalog/layers.ts';
import { named, REPO, TestClock } from './catalog/names.ts';
import { ostreeDeltaSuite } from './catalog/ostree-deltas.ts';
import { ostreeGcSuite } from './catalog/ostree-gc.ts';
import { ostreeRefSuite } from './catalog/ostree-refs.ts';
import { ostreeSuite } from './catalog/ostree.ts';
import { repositorySuite } from './catalog/repositories.ts';
import { signingKeySuite } from './catalog/signing-keys.ts';
import { uploadSuite } from './catalog/uploads.ts';

/** A fresh, empty catalog for one test, on a clock that the test moves. */
export type CatalogUnderTest = () => Promise<{
  readonly catalog: Catalog;
  readonly clock: TestClock;
}>;

/**
 * What every implementation of {@link Catalog} must do. `open` gives an empty catalog each time; the
 * suite closes it.
 */
export function catalogSuite(open: (clock: Clock) => Promise<Catalog>): void {
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
      [true, () => gc.condemn([digest], cutoff, clock.read() + 1000)],
      [true, () => gc.settle([digest], [], clock.read() + 1000)],
      [false, () => repositories.linkBlob(REPO, digest, 1)],
      [true, () => gc.prune(cutoff, 10)],
    ];
    for (const [index, [removes, step]] of steps.entries()) {
      const before = catalog.removalEpoch();
      await step();
      expect([index, catalog.removalEpoch() !== before]).toEqual([index, removes]);
    }
  });
  repositorySuite(setup);
  uploadSuite(setup);
  layerSuite(setup);
  deltaSuite(setup);
  fleetSuite(setup);
  ostreeSuite(setup);
  ostreeRefSuite(setup);
  ostreeGcSuite(setup);
  ostreeDeltaSuite(setup);
  gcSuite(setup);
  auditSuite(setup);
  signingKeySuite(setup);
}
