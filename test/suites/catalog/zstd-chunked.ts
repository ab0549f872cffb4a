import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { LayerFormRow } from '../../../storage/catalog/zstd-chunked-catalog.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { isStorageError } from '../../../storage/errors.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { chunk, chunkedLayer } from './layers.ts';
import { named, REPO } from './names.ts';

const LAYER = named('layer');
const SOURCE = named('manifest');
const MANIFEST = { digest: named('form manifest'), size: 9, created: true };

/** A repository with one manifest of one chunked layer. */
async function pushImage({ repositories, layers }: Catalog): Promise<void> {
  await repositories.linkBlob(REPO, LAYER, 100);
  await repositories.putManifest(
    REPO,
    { digest: SOURCE, mediaType: MEDIA_TYPES.ociManifest, size: 10 },
    [{ digest: LAYER, kind: 'layer', tarType: MEDIA_TYPES.ociLayerGzip }],
  );
  const claim = await layers.claim('w', 1000);
  if (claim === undefined) throw new Error('the layer is not pending');
  await layers.finish(LAYER, claim.lease, chunkedLayer('a', [chunk('c', 'a pack')]));
}

const FORM: LayerFormRow = {
  layer: LAYER,
  index: named('a index'),
  digest: named('composite'),
  size: 1000,
  map: { digest: named('map'), size: 20 },
  own: { digest: named('own'), size: 30 },
  annotations: { key: 'value' },
};

export function zstdChunkedSuite(setup: CatalogUnderTest): void {
  describe('zstd:chunked forms', () => {
    test('a form of a layer, as long as the layer keeps its index', async () => {
      const { catalog } = await setup();
      const { zstdChunked } = catalog;
      await expect(zstdChunked.putLayerForm(FORM)).rejects.toMatchObject({ code: 'conflict' });
      await pushImage(catalog);
      await zstdChunked.putLayerForm(FORM);
      await zstdChunked.putLayerForm(FORM);
      expect(await zstdChunked.layerForm(LAYER)).toEqual(FORM);
      expect(await zstdChunked.composite(FORM.digest)).toEqual(FORM);
      expect(await zstdChunked.composites(undefined, 10)).toEqual([FORM]);
      expect(await zstdChunked.composites(FORM.digest, 10)).toEqual([]);
      expect(await zstdChunked.mayServe(REPO, FORM.digest)).toBe(true);
      await catalog.repositories.unlinkBlob(REPO, LAYER);
      expect(await zstdChunked.mayServe(REPO, FORM.digest)).toBe(false);
      const other = { ...FORM, index: named('another index') };
      await expect(zstdChunked.putLayerForm(other)).rejects.toMatchObject({ code: 'conflict' });
    });

    test('from pending to published, under a lease', async () => {
      const { catalog, clock } = await setup();
      const { zstdChunked } = catalog;
      await pushImage(catalog);
      expect(await zstdChunked.ensure(REPO, [SOURCE, named('nowhere')])).toBe(1);
      expect(await zstdChunked.ensure(REPO, [SOURCE])).toBe(0);
      const first = await zstdChunked.claim('w1', 1000);
      expect(first?.image).toMatchObject({ repo: REPO, source: SOURCE, attempts: 1 });
      expect(await zstdChunked.claim('w2', 1000)).toBeUndefined();
      clock.nowMs += 1001;
      const second = await zstdChunked.claim('w2', 1000);
      if (first === undefined || second === undefined) throw new Error('nothing to claim');
      const manifest = { ...MANIFEST, mediaType: MEDIA_TYPES.ociManifest };
      const late = zstdChunked.publish(first.image, first.lease, manifest);
      await expect(late).rejects.toSatisfy((error) => isStorageError(error, 'conflict'));
      await zstdChunked.postpone(second.image, second.lease, 'waits', clock.read() + 50);
      expect(await zstdChunked.claim('w2', 1000)).toBeUndefined();
      clock.nowMs += 50;
      const third = await zstdChunked.claim('w2', 1000);
      expect(third?.image.attempts).toBe(2);
      if (third === undefined) throw new Error('nothing to claim');
      await zstdChunked.publish(third.image, third.lease, manifest);
      const told = { digest: MANIFEST.digest, size: MANIFEST.size, mediaType: manifest.mediaType };
      const row = { repo: REPO, source: SOURCE, state: 'published', attempts: 2, manifest: told };
      expect(await zstdChunked.image(REPO, SOURCE)).toEqual(row);
      expect(await zstdChunked.published(REPO, MANIFEST.digest)).toEqual(row);
      await catalog.repositories.deleteManifest(REPO, SOURCE);
      expect(await zstdChunked.published(REPO, MANIFEST.digest)).toBeUndefined();
    });

    test('what is refused is not claimed again', async () => {
      const { catalog } = await setup();
      const { zstdChunked } = catalog;
      await pushImage(catalog);
      await zstdChunked.ensure(REPO, [SOURCE]);
      const claim = await zstdChunked.claim('w', 1000);
      if (claim === undefined) throw new Error('nothing to claim');
      await zstdChunked.fail(claim.image, claim.lease, 'no tar', undefined);
      expect(await zstdChunked.image(REPO, SOURCE)).toMatchObject({
        state: 'refused',
        reason: 'no tar',
      });
      expect(await zstdChunked.claim('w', 1000)).toBeUndefined();
    });

    test('the collector keeps what a form takes while its image is there', async () => {
      const { catalog, clock } = await setup();
      const { zstdChunked, gc, audit } = catalog;
      await pushImage(catalog);
      await zstdChunked.putLayerForm(FORM);
      await zstdChunked.ensure(REPO, [SOURCE]);
      const claim = await zstdChunked.claim('w', 1000);
      if (claim === undefined) throw new Error('nothing to claim');
      const manifest = { ...MANIFEST, mediaType: MEDIA_TYPES.ociManifest };
      await zstdChunked.publish(claim.image, claim.lease, manifest);
      const taken = [FORM.map.digest, FORM.own.digest, MANIFEST.digest];
      expect(
        new Set((await audit.expected('form', undefined, 10)).map(({ digest }) => digest)),
      ).toEqual(new Set(taken));
      clock.nowMs += 10_000;
      const nowMs = clock.read();
      const cutoff = {
        ...{ unnamedBeforeMs: nowMs, retiredBeforeMs: nowMs, liveSinceMs: nowMs },
        keptCommits: 1,
      };
      await gc.prune(cutoff, 100);
      expect(await gc.reachable(taken, cutoff)).toEqual(new Set(taken));
      expect(await gc.condemn(taken, cutoff, nowMs + 1000)).toEqual(new Set());
      await catalog.repositories.deleteManifest(REPO, SOURCE);
      expect(await gc.reachable(taken, cutoff)).toEqual(new Set());
      await gc.prune(cutoff, 100);
      expect(await gc.condemn(taken, cutoff, nowMs + 1000)).toEqual(new Set(taken));
    });
  });
}
