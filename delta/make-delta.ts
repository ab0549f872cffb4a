import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import type { BlobStore } from '../storage/blob-store.ts';
import type { DeltaPair, DeltaResult } from '../storage/catalog/delta-catalog.ts';
import type { LayerCatalog } from '../storage/catalog/layer-catalog.ts';
import { fileBytes } from '../storage/file-bytes.ts';
import type { IoOptions } from '../storage/object-store.ts';
import { buildImageDelta, type BuildReport } from './build.ts';
import type { BsdiffLoad } from './codecs/bsdiff-process.ts';
import type { EngineLimits } from './engine/engine.ts';
import { DeltaError, isDeltaError } from './errors.ts';
import { readImage, type Image } from './image.ts';
import { openLayers, type LayerSet } from './layers.ts';
import { proveImageDelta } from './prove.ts';

export interface MakeDeltaDeps extends IoOptions {
  readonly blobs: BlobStore;
  /** Says which layers were refused when they were opened. */
  readonly layers: Pick<LayerCatalog, 'get'>;
  readonly onNotice?: ((line: string) => void) | undefined;
  /** Bounds of the engine's time and memory; the default is for a server with one builder. */
  readonly engineLimits?: EngineLimits | undefined;
  readonly loadBsdiff?: (() => Promise<BsdiffLoad>) | undefined;
}

export interface MadeDelta {
  readonly result: DeltaResult;
  /** True if it is worth publishing; only then its bytes were stored. */
  readonly isSmaller: boolean;
}

/** Of a delta on its way into the store. */
const PIECE_BYTES = 64 * 1024;

/** Builds and proves the delta of one pair; stores its bytes if it is smaller than what it replaces. */
export async function makeDelta(
  deps: MakeDeltaDeps,
  pair: DeltaPair,
  scratch: string,
  onProgress: (phase: 'building' | 'proving', fraction: number) => void,
): Promise<MadeDelta> {
  const { blobs, signal } = deps;
  const oldImage = await readImage(blobs, pair.from, { signal });
  const newImage = await readImage(blobs, pair.to, { signal });
  checkPlatform(oldImage, newImage);
  await refuseOpaque(deps.layers, newImage);
  const from = await openLayers(blobs, oldImage, join(scratch, 'from'), { signal });
  const to = await openLayers(blobs, newImage, join(scratch, 'to'), { signal });
  try {
    const output = join(scratch, 'delta');
    const { report, buildMs, applyMs } = await buildAndProve(
      deps,
      { from, to, output, scratch },
      onProgress,
    );
    const { digest, size, ramBytes, codecs } = report;
    const fullSize = sizeWithout(oldImage, newImage);
    const isSmaller = size < fullSize;
    if (isSmaller) await blobs.put(digest, fileBytes(output, PIECE_BYTES), { size, signal });
    return { result: { digest, size, fullSize, ramBytes, buildMs, applyMs, codecs }, isSmaller };
  } finally {
    await from.close();
    await to.close();
  }
}

interface PairFiles {
  readonly from: LayerSet;
  readonly to: LayerSet;
  readonly output: string;
  readonly scratch: string;
}

type OnPhase = (phase: 'building' | 'proving', fraction: number) => void;

interface Proved {
  readonly report: BuildReport;
  readonly buildMs: number;
  readonly applyMs: number;
}

/** A delta whose proof fails is built once more without the engine. */
async function buildAndProve(
  deps: MakeDeltaDeps,
  files: PairFiles,
  onProgress: OnPhase,
): Promise<Proved> {
  try {
    return await buildOnce(deps, files, onProgress, false);
  } catch (error) {
    const hasFailed = ['output_mismatch', 'bad_format'] as const;
    if (!hasFailed.some((code) => isDeltaError(error, code))) throw error;
    deps.onNotice?.(`the delta was built again without the engine: ${String(error)}`);
    return buildOnce(deps, files, onProgress, true);
  }
}

async function buildOnce(
  deps: MakeDeltaDeps,
  files: PairFiles,
  onProgress: OnPhase,
  withoutEngine: boolean,
): Promise<Proved> {
  const { signal, onNotice, engineLimits, loadBsdiff } = deps;
  const started = performance.now();
  const report = await buildImageDelta({
    ...files,
    profile: 'small',
    withoutEngine,
    signal,
    onNotice,
    engineLimits,
    loadBsdiff,
    onProgress: (fraction) => {
      onProgress('building', fraction);
    },
  });
  const buildMs = Math.round(performance.now() - started);
  const { applyMs } = await proveImageDelta({
    delta: files.output,
    from: files.from,
    to: files.to.image,
    signal,
    onProgress: (fraction) => {
      onProgress('proving', fraction);
    },
  });
  return { report, buildMs, applyMs };
}

/** Bytes that a device on `from` fetches without a delta: manifest, config, the layers it lacks. */
export function sizeWithout(from: Image, to: Image): number {
  const known = new Set(from.layers.map((layer) => layer.diffId));
  const lacking = new Map(
    to.layers
      .filter((layer) => !known.has(layer.diffId))
      .map((layer) => [layer.diffId, layer.descriptor.size]),
  );
  const layers = [...lacking.values()].reduce((sum, size) => sum + size, 0);
  return to.manifest.size + to.config.size + layers;
}

function checkPlatform(from: Image, to: Image): void {
  if (from.platform === to.platform) return;
  throw new DeltaError(
    'corrupt',
    `${from.manifest.digest} is for ${from.platform}, ${to.manifest.digest} for ${to.platform}: no delta crosses platforms`,
  );
}

/** What was refused as a layer (no tar, names that climb out of the root) is not offered as a delta. */
async function refuseOpaque(layers: Pick<LayerCatalog, 'get'>, image: Image): Promise<void> {
  for (const { descriptor } of image.layers) {
    const row = await layers.get(descriptor.digest);
    if (row?.state !== 'opaque') continue;
    throw new DeltaError(
      'refused',
      `the layer ${descriptor.digest} was refused: ${row.reason ?? 'it cannot be opened'}`,
    );
  }
}
