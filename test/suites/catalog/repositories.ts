import { describe, expect, test } from 'vitest';

import { parseRepoName, parseTag } from '../../../storage/names.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { manifest, named, OTHER, REPO, STABLE } from './names.ts';

export function repositorySuite(setup: CatalogUnderTest): void {
  describe('repositories', () => {
    test('link, find and unlink blobs of one repository', async () => {
      const { repositories } = (await setup()).catalog;
      const blob = named('blob');
      expect(await repositories.exists(REPO)).toBe(false);
      expect(await repositories.findBlob(blob)).toBeUndefined();
      await repositories.linkBlob(REPO, blob, 4);
      await repositories.linkBlob(REPO, blob, 4);
      expect(await repositories.hasBlob(REPO, blob)).toBe(true);
      expect(await repositories.hasBlob(OTHER, blob)).toBe(false);
      expect(await repositories.findBlob(blob)).toBe(REPO);
      expect(await repositories.list({ limit: 10 })).toEqual([REPO]);
      expect(await repositories.unlinkBlob(REPO, blob)).toBe(true);
      expect(await repositories.unlinkBlob(REPO, blob)).toBe(false);
      expect(await repositories.hasBlob(REPO, blob)).toBe(false);
      expect(await repositories.list({ limit: 10 })).toEqual([]);
      expect(await repositories.exists(REPO)).toBe(true);
    });

    test('list is paginated in byte order with an exclusive last', async () => {
      const { repositories } = (await setup()).catalog;
      const names = ['a-b', 'a/b', 'a0', 'a_b', 'ab', 'b'].map(parseRepoName);
      for (const name of names.toReversed()) await repositories.linkBlob(name, named('x'), 1);
      const first = await repositories.list({ limit: 4 });
      const rest = await repositories.list({ limit: 4, last: first.at(-1) });
      expect([...first, ...rest]).toEqual(names.toSorted());
    });

    test('a manifest keeps its facts, its children and their order', async () => {
      const { repositories } = (await setup()).catalog;
      const row = {
        ...manifest('m'),
        subject: named('absent subject'),
        artifactType: 'application/x',
        annotations: { 'org.example': 'ü "quoted"', __proto__x: '1' },
      };
      const children = [
        { digest: named('config'), kind: 'config' as const },
        { digest: named('layer'), kind: 'layer' as const },
        { digest: named('base'), kind: 'layer' as const },
        { digest: named('layer'), kind: 'layer' as const },
      ];
      await repositories.putManifest(REPO, row, children);
      await repositories.putManifest(REPO, row, children);
      expect(await repositories.getManifest(REPO, row.digest)).toEqual(row);
      expect(await repositories.children(REPO, row.digest)).toEqual(children);
      expect(await repositories.getManifest(OTHER, row.digest)).toBeUndefined();
      expect(await repositories.children(OTHER, row.digest)).toEqual([]);
    });

    test('a tar layer that is pushed after its manifest becomes pending, and only then', async () => {
      const { repositories, layers } = (await setup()).catalog;
      const tarType = 'application/x-tar';
      const children = [
        { digest: named('config'), kind: 'config' as const },
        { digest: named('early'), kind: 'layer' as const, tarType },
        { digest: named('late'), kind: 'layer' as const, tarType },
        { digest: named('no tar'), kind: 'layer' as const },
      ];
      await repositories.linkBlob(REPO, named('early'), 1);
      await repositories.linkBlob(REPO, named('config'), 1);
      await repositories.linkBlob(REPO, named('no tar'), 1);
      await repositories.linkBlob(OTHER, named('late'), 1);
      await repositories.putManifest(REPO, manifest('m'), children);
      expect(await repositories.children(REPO, named('m'))).toEqual(children);
      const images = [named('m'), named('nothing')];
      expect(await repositories.incomplete(REPO, images)).toEqual(new Set(images));
      expect((await layers.get(named('early')))?.mediaType).toBe(tarType);
      expect(await layers.get(named('late'))).toBeUndefined();
      expect(await layers.get(named('no tar'))).toBeUndefined();
      await repositories.linkBlob(REPO, named('late'), 1);
      expect((await layers.get(named('late')))?.state).toBe('pending');
      expect(await repositories.incomplete(REPO, images)).toEqual(new Set([named('nothing')]));
    });

    test('a manifest without optional facts has no such keys', async () => {
      const { repositories } = (await setup()).catalog;
      await repositories.putManifest(REPO, manifest('m'), []);
      const row = await repositories.getManifest(REPO, named('m'));
      expect(Object.keys(row ?? {})).toEqual(['digest', 'mediaType', 'size']);
    });

    test('referrers need no subject, are ordered by age and filtered by type', async () => {
      const { repositories } = (await setup()).catalog;
      const subject = named('subject');
      const types = ['sig', 'sbom', 'sig'];
      for (const [n, artifactType] of types.entries()) {
        await repositories.putManifest(REPO, { ...manifest(`r${n}`), subject, artifactType }, []);
      }
      await repositories.putManifest(OTHER, { ...manifest('r9'), subject }, []);
      const digests = async (type?: string) =>
        (await repositories.referrers(REPO, subject, type)).map((row) => row.digest);
      expect(await digests()).toEqual([named('r0'), named('r1'), named('r2')]);
      expect(await digests('sig')).toEqual([named('r0'), named('r2')]);
      expect(await digests('none')).toEqual([]);
      await repositories.deleteManifest(REPO, named('r0'));
      expect(await digests()).toEqual([named('r1'), named('r2')]);
    });
  });

  describe('tags and releases', () => {
    test('a release is made only when the tag moves', async () => {
      const { catalog, clock } = await setup();
      const { repositories } = catalog;
      const moves = ['a', 'a', 'b', 'a'];
      for (const name of moves) {
        clock.nowMs += 1000;
        await repositories.putManifest(REPO, manifest(name), [], STABLE);
      }
      const releases = await repositories.releases(REPO, STABLE, 10);
      expect(releases.map((r) => r.digest)).toEqual([named('a'), named('b')]);
      expect(releases.map((r) => r.pushedMs)).toEqual([clock.nowMs, clock.nowMs - 1000]);
      expect(releases[0]?.id).toBeGreaterThan(releases[1]?.id ?? Infinity);
      expect(await repositories.releases(REPO, STABLE, 1)).toEqual([releases[0]]);
      expect(await repositories.heads()).toEqual([releases[0]]);
      expect(await repositories.resolveTag(REPO, STABLE)).toBe(named('a'));
    });

    test('ids ascend over the whole catalog and are never used twice', async () => {
      const { repositories } = (await setup()).catalog;
      await repositories.putManifest(REPO, manifest('a'), [], STABLE);
      await repositories.putManifest(OTHER, manifest('b'), [], STABLE);
      const [first, second] = await repositories.heads();
      await repositories.deleteManifest(OTHER, named('b'));
      await repositories.putManifest(OTHER, manifest('c'), [], STABLE);
      const third = (await repositories.heads()).find((head) => head.repo === OTHER);
      expect(second?.id).toBeGreaterThan(first?.id ?? Infinity);
      expect(third?.id).toBeGreaterThan(second?.id ?? Infinity);
    });

    test('a deleted manifest takes its tags and leaves the releases list', async () => {
      const { repositories } = (await setup()).catalog;
      const canary = parseTag('canary');
      await repositories.putManifest(REPO, manifest('a'), [], STABLE);
      await repositories.putManifest(REPO, manifest('b'), [], STABLE);
      await repositories.putManifest(REPO, manifest('b'), [], canary);
      await repositories.putManifest(OTHER, manifest('b'), [], STABLE);
      expect(await repositories.deleteManifest(REPO, named('b'))).toBe(true);
      expect(await repositories.deleteManifest(REPO, named('b'))).toBe(false);
      expect(await repositories.resolveTag(REPO, STABLE)).toBeUndefined();
      expect(await repositories.tags(REPO, { limit: 10 })).toEqual([]);
      expect((await repositories.heads()).map((head) => head.repo)).toEqual([OTHER]);
      const releases = await repositories.releases(REPO, STABLE, 10);
      expect(releases.map((r) => r.digest)).toEqual([named('a')]);
    });

    test('a deleted tag leaves the manifest; tagging again is a release', async () => {
      const { repositories } = (await setup()).catalog;
      await repositories.putManifest(REPO, manifest('a'), [], STABLE);
      const [before] = await repositories.heads();
      expect(await repositories.deleteTag(REPO, STABLE)).toBe(true);
      expect(await repositories.deleteTag(REPO, STABLE)).toBe(false);
      expect(await repositories.getManifest(REPO, named('a'))).toBeDefined();
      await repositories.putManifest(REPO, manifest('a'), [], STABLE);
      const [after] = await repositories.heads();
      expect(after?.id).toBeGreaterThan(before?.id ?? Infinity);
    });

    test('tags are paginated in byte order with an exclusive last', async () => {
      const { repositories } = (await setup()).catalog;
      const tags = ['a', 'B', '1.10', '1.9', '_x', 'a-b', 'a.b'].map(parseTag);
      for (const tag of tags) await repositories.putManifest(REPO, manifest('a'), [], tag);
      const sorted = tags.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await repositories.tags(REPO, { limit: 3 })).toEqual(sorted.slice(0, 3));
      expect(await repositories.tags(REPO, { limit: 9, last: sorted[2] })).toEqual(sorted.slice(3));
      expect(await repositories.tags(REPO, { limit: 9, last: 'Zzz' })).toEqual(
        sorted.filter((tag) => tag > 'Zzz'),
      );
      expect(await repositories.tags(OTHER, { limit: 9 })).toEqual([]);
    });
  });
}
