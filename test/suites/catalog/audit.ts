import { describe, expect, test } from 'vitest';

import { AUDIT_SOURCES } from '../../../storage/catalog/audit-catalog.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { deltaResult } from './deltas.ts';
import { chunk, chunkedLayer } from './layers.ts';
import { manifest, named, OTHER, REPO, STABLE } from './names.ts';
import { pair } from './pairs.ts';

export function auditSuite(setup: CatalogUnderTest): void {
  /** An index of an image of one chunked layer, and a delta. */
  async function pushed() {
    const { catalog } = await setup();
    const { repositories, layers, deltas } = catalog;
    await repositories.linkBlob(REPO, named('layer'), 77);
    await repositories.putManifest(REPO, manifest('image'), [
      { digest: named('layer'), kind: 'layer' },
    ]);
    const image = { digest: named('image'), kind: 'manifest' as const };
    await repositories.putManifest(REPO, manifest('the index'), [image], STABLE);
    await repositories.putManifest(OTHER, manifest('image'), []);
    await layers.ensure(named('layer'), 'tar');
    const layer = await layers.claim('w', 1000);
    await deltas.ensure([pair('1', '2')], 0);
    const delta = await deltas.claim('w', 1000);
    if (layer === undefined || delta === undefined) throw new Error('nothing to claim');
    await layers.finish(named('layer'), layer.lease, chunkedLayer('l', [chunk('c', 'l pack')]));
    await deltas.publish(delta.delta.id, delta.lease, deltaResult('d'));
    return { audit: catalog.audit, deltaId: delta.delta.id };
  }

  describe('audit', () => {
    test('lists every digest that rows name, with its size', async () => {
      const { audit } = await pushed();
      const all = await Promise.all(AUDIT_SOURCES.map((s) => audit.expected(s, undefined, 10)));
      const [manifests, ...others] = all;
      const byDigest = (a: { digest: string }, b: { digest: string }) =>
        a.digest < b.digest ? -1 : 1;
      expect(manifests).toEqual(
        [
          { digest: named('image'), size: 5 },
          { digest: named('the index'), size: 9 },
        ].toSorted(byDigest),
      );
      expect(others).toEqual([
        [{ digest: named('layer'), size: 77 }],
        [{ digest: named('d'), size: 1000 }],
        [{ digest: named('l pack'), size: 500 }],
        [{ digest: named('l index'), size: 50 }],
        [],
      ]);
    });

    test('lists what manifests name and their repository lacks', async () => {
      const { catalog } = await setup();
      const { audit, repositories } = catalog;
      const children = (['layer', 'manifest'] as const).map((kind) => ({
        digest: named(kind),
        kind,
      }));
      await repositories.putManifest(REPO, manifest('m'), children);
      await repositories.putManifest(OTHER, manifest('manifest'), []);
      await repositories.linkBlob(OTHER, named('layer'), 5);
      const both = [named('layer'), named('manifest')].toSorted();
      expect(await audit.absent(undefined, 10)).toEqual(both);
      expect(await audit.absent(undefined, 1)).toEqual(both.slice(0, 1));
      expect(await audit.absent(both[0], 10)).toEqual(both.slice(1));
      await repositories.linkBlob(REPO, named('layer'), 5);
      await repositories.putManifest(REPO, manifest('manifest'), []);
      expect(await audit.absent(undefined, 10)).toEqual([]);
      await repositories.unlinkBlob(REPO, named('layer'));
      expect(await audit.absent(undefined, 10)).toEqual([named('layer')]);
    });

    test('pages by digest', async () => {
      const { audit } = await pushed();
      const all = await audit.expected('manifest', undefined, 10);
      const first = await audit.expected('manifest', undefined, 1);
      const rest = await audit.expected('manifest', first[0]?.digest, 10);
      expect([...first, ...rest]).toEqual(all);
    });

    test('says what stops working without a blob', async () => {
      const { audit, deltaId } = await pushed();
      const stable = `tag ${REPO}:${STABLE}`;
      expect(await audit.affected(named('the index'), 9)).toEqual([stable]);
      expect(await audit.affected(named('image'), 9)).toEqual([stable]);
      expect(await audit.affected(named('layer'), 9)).toEqual([stable]);
      const viaLayer = [stable, `layer ${named('layer')}`];
      expect(await audit.affected(named('l pack'), 9)).toEqual(viaLayer);
      expect(await audit.affected(named('l index'), 9)).toEqual(viaLayer);
      expect(await audit.affected(named('l index'), 1)).toEqual([stable]);
      expect(await audit.affected(named('d'), 9)).toEqual([
        `delta ${deltaId} of ${REPO}:${STABLE} for linux/amd64`,
      ]);
      expect(await audit.affected(named('nothing'), 9)).toEqual([]);
    });

    test('names the manifest where there is no tag', async () => {
      const { catalog } = await setup();
      await catalog.repositories.putManifest(OTHER, manifest('m'), []);
      expect(await catalog.audit.affected(named('m'), 9)).toEqual([
        `manifest ${OTHER}@${named('m')}`,
      ]);
    });
  });
}
