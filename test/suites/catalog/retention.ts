import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { RetainedManifest, RetainedTag } from '../../../storage/catalog/retention-catalog.ts';
import { parseTag } from '../../../storage/names.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { deltaResult } from './deltas.ts';
import { manifest, named, OTHER, REPO, STABLE } from './names.ts';
import { pair } from './pairs.ts';

const HOUR = 3_600_000;
const V1 = parseTag('v1');
const imageOf = (text: string) => ({ digest: named(text), kind: 'manifest' as const });
const layerOf = (text: string) => ({ digest: named(text), kind: 'layer' as const });

/** Manifests of the repository by their text, as {@link RetentionCatalog.drop} takes them. */
async function stepsOf(
  catalog: Catalog,
  ...texts: readonly string[]
): Promise<readonly (readonly RetainedManifest[])[]> {
  const { manifests } = await catalog.retention.facts(REPO, 0);
  return texts.map((text) => manifests.filter(({ digest }) => digest === named(text)));
}

async function tagOf(catalog: Catalog, name = V1): Promise<RetainedTag> {
  const tag = (await catalog.retention.facts(REPO, 0)).tags.find((one) => one.tag === name);
  if (tag === undefined) throw new Error(`no tag ${name}`);
  return tag;
}

export function retentionSuite(setup: CatalogUnderTest): void {
  describe('retention', () => {
    test('knows what a repository has, and what of it is in use', async () => {
      const { catalog, clock } = await setup();
      const { repositories, fleet, deltas, retention } = catalog;
      const begun = clock.nowMs;
      await repositories.putManifest(REPO, manifest('a'), [layerOf('layer')], STABLE);
      await repositories.putManifest(OTHER, manifest('a'), [], STABLE);
      clock.nowMs += HOUR;
      await repositories.putManifest(REPO, manifest('b'), [], STABLE);
      clock.nowMs += HOUR;
      await repositories.putManifest(REPO, manifest('index'), [imageOf('b'), imageOf('absent')]);
      const signature = { ...manifest('signature'), subject: named('a') };
      await repositories.putManifest(REPO, signature, []);
      const device = { kind: 'oci' as const, product: REPO, platform: 'p', region: '' };
      const old = { ...device, id: 'old', channel: STABLE, current: named('old'), seenMs: begun };
      await fleet.seen(old);
      await fleet.seen({ ...device, id: 'new', channel: V1, seenMs: clock.nowMs });
      const decision = { kind: 'oci' as const, product: REPO, createdMs: clock.nowMs };
      await fleet.decide({ ...decision, id: 'd', deviceId: 'new', to: named('b') });
      await deltas.ensure([pair('x', 'y'), pair('y', 'z')], 0);
      const claim = await deltas.claim('w', HOUR);
      if (claim === undefined) throw new Error('nothing to claim');
      await deltas.publish(claim.delta.id, claim.lease, deltaResult('delta'));
      const facts = await retention.facts(REPO, begun + HOUR);
      const { releaseId } = await tagOf(catalog, STABLE);
      expect(facts).toEqual({
        tags: [{ tag: STABLE, digest: named('b'), pushedMs: begun + HOUR, releaseId }],
        manifests: [
          { digest: named('a'), touchedMs: begun + 2 * HOUR },
          { digest: named('b'), touchedMs: begun + 2 * HOUR },
          { digest: named('index'), touchedMs: begun + 2 * HOUR },
          { digest: named('signature'), touchedMs: begun + 2 * HOUR, subject: named('a') },
        ],
        children: [{ parent: named('index'), child: named('b') }],
        releases: [{ tag: STABLE, digest: named('a') }],
        running: [],
        followed: [V1],
        decided: [named('b')],
        offered: expect.arrayContaining(['y', 'z'].map(named)) as unknown,
      });
      expect(facts.offered).not.toContain(named('x'));
      expect((await retention.facts(REPO, begun)).running).toEqual([named('old')]);
    });

    test('what a live device came from stays in use, however long ago it was told to leave it', async () => {
      const { catalog, clock } = await setup();
      const { fleet, retention } = catalog;
      const device = { kind: 'oci' as const, id: 'd', product: REPO, platform: 'p', region: '' };
      const decision = { kind: 'oci' as const, deviceId: 'd', product: REPO };
      for (const [from, to] of [
        ['a', 'b'],
        ['b', 'c'],
      ] as const) {
        const ends = { from: named(from), to: named(to) };
        await fleet.decide({ ...decision, id: to, ...ends, createdMs: clock.nowMs });
      }
      clock.nowMs += HOUR;
      await fleet.seen({ ...device, channel: V1, current: named('c'), seenMs: clock.nowMs });
      const decided = async () => (await retention.facts(REPO, clock.nowMs)).decided;
      expect(await decided()).toEqual(['b', 'c'].map(named));
      clock.nowMs += 1;
      expect(await decided()).toEqual([]);
    });

    test('a manifest that loses its tag counts as used until then', async () => {
      const { catalog, clock } = await setup();
      const { repositories, retention } = catalog;
      const touched = async () =>
        (await retention.facts(REPO, 0)).manifests.map(({ touchedMs }) => touchedMs);
      const begun = clock.nowMs;
      await repositories.putManifest(REPO, manifest('a'), [], V1);
      clock.nowMs += HOUR;
      await repositories.putManifest(REPO, manifest('b'), [], V1);
      expect(await touched()).toEqual([begun + HOUR, begun + HOUR]);
      clock.nowMs += HOUR;
      await repositories.deleteTag(REPO, V1);
      expect(await touched()).toEqual([begun + HOUR, begun + 2 * HOUR]);
    });

    test('counts the blobs behind manifests, whoever names them', async () => {
      const { catalog } = await setup();
      const { repositories, retention } = catalog;
      for (const repo of [REPO, OTHER]) await repositories.linkBlob(repo, named('shared'), 7);
      await repositories.linkBlob(REPO, named('own'), 5);
      const layers = [layerOf('shared'), layerOf('own'), layerOf('absent')];
      await repositories.putManifest(REPO, manifest('m'), layers);
      await repositories.putManifest(OTHER, manifest('m'), [layerOf('shared')]);
      const { manifests, blobs } = await retention.blobsOf(REPO, [named('m')]);
      expect(manifests).toEqual([{ digest: named('m'), size: 1, names: 2 }]);
      const parent = named('m');
      const sorted = blobs.toSorted((a, b) => a.size - b.size);
      expect(sorted).toEqual([
        { parent, digest: named('own'), size: 5, names: 1 },
        { parent, digest: named('shared'), size: 7, names: 2 },
      ]);
    });

    test('a tag goes with what it takes along; a push that found that there is refused', async () => {
      const { catalog, clock } = await setup();
      const { repositories, retention } = catalog;
      await repositories.putManifest(REPO, manifest('image'), []);
      await repositories.putManifest(REPO, manifest('index'), [imageOf('image')], V1);
      const signature = { ...manifest('signature'), subject: named('index') };
      await repositories.putManifest(REPO, signature, []);
      const steps = await stepsOf(catalog, 'index', 'image', 'signature');
      const gone = await retention.drop(REPO, await tagOf(catalog), steps, clock.nowMs);
      expect(gone).toEqual(['index', 'image', 'signature'].map(named));
      expect(await repositories.resolveTag(REPO, V1)).toBeUndefined();
      const push = () => repositories.putManifest(REPO, manifest('late'), [imageOf('image')]);
      await expect(push()).rejects.toMatchObject({ code: 'unavailable' });
      await repositories.putManifest(REPO, manifest('image'), []);
      await push();
    });

    test('a tag that was moved since, or is followed by now, stays with all it holds', async () => {
      const { catalog, clock } = await setup();
      const { repositories, fleet, retention } = catalog;
      await repositories.putManifest(REPO, manifest('a'), [], V1);
      const tag = await tagOf(catalog);
      const steps = await stepsOf(catalog, 'a');
      const facts = { kind: 'oci' as const, id: 'd', product: REPO, platform: 'p', region: '' };
      await fleet.seen({ ...facts, channel: V1, seenMs: clock.nowMs });
      expect(await retention.drop(REPO, tag, steps, clock.nowMs)).toBeUndefined();
      await repositories.putManifest(REPO, manifest('b'), [], V1);
      expect(await retention.drop(REPO, tag, steps, clock.nowMs + 1)).toBeUndefined();
      expect(await repositories.resolveTag(REPO, V1)).toBe(named('b'));
      expect(await repositories.getManifest(REPO, named('a'))).toBeDefined();
    });

    test('of manifests those stay that something needs by now', async () => {
      const { catalog, clock } = await setup();
      const { repositories, fleet, deltas, retention } = catalog;
      const ends = ['left', 'told', 'base', 'target'];
      const texts = ['touched', 'tagged', 'named', 'run', 'referrer', ...ends, 'free'];
      for (const text of texts) {
        const subject = text === 'referrer' ? named('subject') : undefined;
        await repositories.putManifest(REPO, { ...manifest(text), subject }, []);
      }
      const steps = await stepsOf(catalog, ...texts);
      await repositories.putManifest(REPO, manifest('subject'), []);
      const facts = { kind: 'oci' as const, id: 'd', product: REPO, platform: 'p', region: '' };
      const current = named('run');
      await fleet.seen({ ...facts, channel: V1, current, seenMs: clock.nowMs });
      await fleet.decide({
        ...{ id: 'decision', kind: 'oci', deviceId: 'd', product: REPO, createdMs: clock.nowMs },
        ...{ from: named('left'), to: named('told') },
      });
      await deltas.ensure([pair('base', 'target')], 0);
      clock.nowMs += 1;
      await repositories.putManifest(REPO, manifest('touched'), []);
      clock.nowMs -= 1;
      await repositories.putManifest(REPO, manifest('tagged'), [], STABLE);
      await repositories.putManifest(REPO, manifest('index'), [imageOf('named')]);
      expect(await retention.drop(REPO, undefined, steps, clock.nowMs)).toEqual([named('free')]);
    });
  });
}
