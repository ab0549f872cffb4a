import { gzipSync } from 'node:zlib';

import { readBlob } from '../../../storage/blob-store.ts';
import type { ChunkedLayer } from '../../../storage/catalog/layer-catalog.ts';
import { ingestLayer } from '../../../storage/chunk/ingest.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import type { FsckFault } from '../../../storage/fsck/fault.ts';
import type { BlobSource } from '../../../storage/fsck/remake.ts';
import { StoreRepair } from '../../../storage/fsck/repair.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { blobKey } from '../../../storage/keys.ts';
import { parseTag } from '../../../storage/names.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { noise, tar } from '../chunk/material.ts';
import { OstreeWorld } from '../ostree/ostree-world.ts';
import { file, smallCommit, type MadeObject } from '../ostree/objects.ts';
import type { StoreDriver } from '../store-world.ts';

/** What a chunked image and a commit leave in a store. */
export class RepairWorld {
  readonly world: OstreeWorld;
  /** Pushed as gzip. */
  readonly layer: Digest;
  /** Pushed uncompressed. */
  readonly plain: Digest;
  readonly config: Digest;
  readonly manifest: Digest;
  readonly chunked: ChunkedLayer;
  readonly commit: readonly [MadeObject, ...MadeObject[]];

  private constructor(facts: Omit<RepairWorld, 'check' | 'repair' | 'damage' | 'ostreePack'>) {
    this.world = facts.world;
    this.layer = facts.layer;
    this.plain = facts.plain;
    this.config = facts.config;
    this.manifest = facts.manifest;
    this.chunked = facts.chunked;
    this.commit = facts.commit;
  }

  static async open(driver: StoreDriver): Promise<RepairWorld> {
    const world = await OstreeWorld.open(driver);
    const layerTar = tar({ a: noise(200_000, 'a'), b: noise(300_000, 'b') });
    const layer = await pushLayer(world, gzipSync(layerTar, { level: 1 }));
    const plain = await pushLayer(world, tar({ c: noise(150_000, 'c') }));
    const config = await world.store.pushBlob('config');
    const manifest = await world.store.put('manifest');
    const children = [
      { digest: config, kind: 'config' as const },
      { digest: layer.digest, kind: 'layer' as const },
      { digest: plain.digest, kind: 'layer' as const },
    ];
    const row = { digest: manifest, mediaType: 'application/x', size: 8 };
    await world.store.catalog.repositories.putManifest(REPO, row, children, parseTag('stable'));
    await world.store.publishDelta('delta');
    const files = [file(noise(900_000, 'big')), file(noise(70_000, 'small')), file('hi\n')];
    const commit = smallCommit('one', files);
    await world.push(commit);
    const { chunked } = layer;
    const digests = { layer: layer.digest, plain: plain.digest, config, manifest };
    return new RepairWorld({ world, ...digests, chunked, commit });
  }

  async check(quick = false): Promise<readonly FsckFault[]> {
    const { objects, catalog } = this.world.store;
    return (await checkStore({ objects, catalog, quick })).faults;
  }

  async repair(options: { quick?: boolean; elsewhere?: BlobSource } = {}) {
    const { quick = false, elsewhere } = options;
    const { objects, catalog, clock } = this.world.store;
    const scratch = this.world.scratch;
    const repair = new StoreRepair({ objects, catalog, clock, scratch, elsewhere });
    return (await checkStore({ objects, catalog, quick, repair })).faults;
  }

  /** Puts other bytes in a blob's place. */
  async damage(digest: Digest, how: 'flip' | 'cut', at = 100): Promise<void> {
    const { blobs } = this.world.store;
    const bytes = Buffer.from(await readBlob(blobs, digest, { maxBytes: 10_000_000 }));
    const place = Math.min(at, bytes.length - 1);
    bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
    await blobs.delete(digest);
    await blobs.objects.put(blobKey(digest), [how === 'cut' ? bytes.subarray(0, place) : bytes]);
  }

  async ostreePack(): Promise<Digest> {
    const [pack] = await this.world.packsOf(this.commit);
    if (pack === undefined) throw new Error('no pack');
    return pack;
  }
}

async function pushLayer(world: OstreeWorld, bytes: Buffer) {
  const { blobs, catalog } = world.store;
  const digest = digestOf(bytes);
  await blobs.putBytes(bytes);
  await catalog.repositories.linkBlob(REPO, digest, bytes.length);
  await catalog.layers.ensure(digest, 'tar');
  return { digest, chunked: await chunkPending(world) };
}

/** Chunks the layer that waits, as a builder does. */
export async function chunkPending({ store, scratch }: OstreeWorld): Promise<ChunkedLayer> {
  const { blobs, catalog } = store;
  const claim = await catalog.layers.claim('w', 60_000);
  if (claim === undefined) throw new Error('no layer waits');
  const { digest } = claim.layer;
  const chunked = await ingestLayer({ blobs, layers: catalog.layers, digest, scratch });
  await catalog.layers.finish(digest, claim.lease, chunked);
  return chunked;
}
