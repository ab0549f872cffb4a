import { createReadStream } from 'node:fs';
import { link, rm } from 'node:fs/promises';

import { MAX_INDEX_BYTES, parseChunkIndex } from '../../storage/chunk/chunk-index.ts';
import { openLayer } from '../../storage/chunk/layer-stream.ts';
import type { Digest } from '../../storage/digest.ts';
import { ChunkSource } from './chunk-source.ts';
import type { Device } from './device.ts';
import { fileSize, renameDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import { Fetcher } from './fetcher.ts';
import { writeLayerFile } from './layer-file.ts';
import { LayerFinder } from './layer-finder.ts';
import { readLayerIndexes, type LayerIndexes } from './layer-index.ts';
import { Pacer, type Meter } from './meter.ts';
import { layoutBlob } from './paths.ts';
import { heldReleases } from './releases.ts';
import { readLayout, type LayoutImage } from './slot.ts';
import { SpaceGuard } from './space.ts';

/** What a repair found and did. */
export interface Repaired {
  /** Layers that were damaged and are whole now. */
  readonly layers: number;
  /** Bytes of bodies that it cost. */
  readonly bytes: number;
}

/** Bounds what a lying gzip layer may unpack to where nothing tells. */
const MAX_RAW_BYTES = 64 * 1024 ** 3;

/**
 * Digests every layer of every release here and makes the damaged ones again: from a whole copy in
 * another layout, else from their own good chunks and those that have to be fetched, else from the
 * layer as pushed. A layer is made beside and renamed, in each layout that links it; what runs is
 * never without one. Throws as fetching does, and `corrupt` for a release whose documents are damaged:
 * an update puts that right.
 */
export async function repairReleases(device: Device, meter: Meter): Promise<Repaired> {
  const fetcher = repairFetcher(device, meter);
  const bytesBefore = meter.total;
  const layouts = (await heldReleases(device.paths)).map(({ path }) => path);
  const finder = new LayerFinder(layouts);
  let layers = 0;
  for (const path of layouts) {
    const release = await readLayout(path);
    if (release === undefined) continue;
    const { manifest, diffIds } = release.image;
    for (const diffId of new Set(diffIds)) {
      const place = layoutBlob(path, diffId);
      if ((await finder.check(place, diffId, device.signal)) !== undefined) continue;
      const whole = (await finder.find(diffId, device.signal))?.path;
      if (whole === undefined) {
        const run = device.state.value.run;
        const indexes = await readLayerIndexes(path, manifest.digest, run);
        await remake({ device, fetcher, release, indexes }, diffId);
      } else {
        await relink(whole, place);
      }
      finder.forget(place);
      for (const other of layouts) {
        const copy = layoutBlob(other, diffId);
        if (other === path || (await fileSize(copy)) === undefined) continue;
        if ((await finder.check(copy, diffId, device.signal)) !== undefined) continue;
        await relink(place, copy);
        finder.forget(copy);
      }
      layers += 1;
    }
  }
  return { layers, bytes: meter.total - bytesBefore };
}

/** A fetcher for blobs that no plan names, from the servers that are asked. */
function repairFetcher(device: Device, meter: Meter): Fetcher {
  const { options, paths, output, clock } = device;
  return new Fetcher({
    ...device,
    meter,
    space: new SpaceGuard(paths.root, options.minFreeBytes),
    pacer: new Pacer(options.maxBps, clock),
    bases: options.servers.map((server) => `${server}/v1/blobs/`),
    onBytes: () => undefined,
    onResume: (digest, at) => {
      output.emit({ event: 'resumed', digest, at });
    },
  });
}

interface Damaged {
  readonly device: Device;
  readonly fetcher: Fetcher;
  readonly release: LayoutImage;
  readonly indexes: LayerIndexes;
}

async function remake(damaged: Damaged, diffId: Digest): Promise<void> {
  const known = damaged.indexes.find((layer) => layer.diffId === diffId);
  await (known === undefined ? remakeWhole(damaged, diffId) : remakeByChunks(damaged, known));
}

async function remakeByChunks(
  { device, fetcher, release }: Damaged,
  { diffId, index: { digest, size } }: LayerIndexes[number],
): Promise<void> {
  const index = parseChunkIndex(await fetcher.bytes({ digest, size, maxBytes: MAX_INDEX_BYTES }));
  if (index.diffId !== diffId) {
    throw new DeviceError('corrupt', `the chunk index ${digest} makes ${index.diffId}`);
  }
  const place = layoutBlob(release.path, diffId);
  const { paths, signal, buffers } = device;
  const source = new ChunkSource({ paths, fetcher, signal, buffers });
  try {
    await source.addSound(place, index);
    await source.find(index);
    const { bytes: fetchBytes, requests } = source.missing([index]);
    device.budget.plan(fetchBytes, requests);
    await source.fetch(index);
    const bytes = async function* (): AsyncGenerator<Buffer> {
      for (const chunk of index.chunks) yield await source.read(chunk);
    };
    await writeLayer(place, diffId, bytes(), device);
  } finally {
    await source.close();
  }
}

async function remakeWhole({ device, fetcher, release }: Damaged, diffId: Digest): Promise<void> {
  const { diffIds, manifest } = release.image;
  const layer = manifest.layers[diffIds.indexOf(diffId)];
  if (layer === undefined) throw new DeviceError('internal', `no layer makes ${diffId}`);
  const { digest, size } = layer;
  const path = await fetcher.blob({ digest, size, maxBytes: size });
  const { signal } = device;
  const tar = openLayer(createReadStream(path), { maxRawBytes: MAX_RAW_BYTES, signal });
  await writeLayer(layoutBlob(release.path, diffId), diffId, tar, device);
  await rm(path, { force: true });
}

/** Replaces a layer's file by one with these bytes, which have to be the layer. */
async function writeLayer(
  place: string,
  diffId: Digest,
  source: AsyncIterable<Uint8Array>,
  { paths, options, signal, buffers }: Device,
): Promise<void> {
  const temp = `${place}.tmp`;
  const guarded = new SpaceGuard(paths.root, options.minFreeBytes).pass(source);
  await writeLayerFile(temp, diffId, buffers.through(guarded), signal);
  await renameDurable(temp, place);
}

async function relink(from: string, to: string): Promise<void> {
  const temp = `${to}.tmp`;
  await rm(temp, { force: true });
  await link(from, temp);
  await renameDurable(temp, to);
}
