import type { Digest } from '../storage/digest.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import type { BsdiffLoad } from './codecs/bsdiff-process.ts';
import { openCodecs, type CodecRegistry } from './codecs/registry.ts';
import type { EngineLimits } from './engine/engine.ts';
import type { LayerSet } from './layers.ts';
import { OldTree } from './plan/old-tree.ts';
import { planPlain } from './plan/plain-plan.ts';
import { BuildProgress } from './plan/progress.ts';
import { planTar } from './plan/tar-plan.ts';
import { walkTar, type TarMap } from './tree/walk.ts';
import {
  writeDelta,
  type BaseFile,
  type BuildReport,
  type PlannedOutput,
  type Profile,
} from './write-delta.ts';

export type { BuildReport, Profile } from './write-delta.ts';

export interface ImageDeltaOptions {
  readonly from: LayerSet;
  readonly to: LayerSet;
  /** File to write; made durable. Left absent on failure. */
  readonly output: string;
  /** Folder for temporary files. */
  readonly scratch: string;
  readonly profile: Profile;
  readonly signal?: AbortSignal | undefined;
  /** 0 to 1, ascending. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
  /** One line about a codec that is off, and why. */
  readonly onNotice?: ((line: string) => void) | undefined;
  /** Leaves the engine out: what is done after a proof of its work has failed. */
  readonly withoutEngine?: boolean | undefined;
  /** Bounds of the engine's time and memory; the default is for a server. */
  readonly engineLimits?: EngineLimits | undefined;
  /** Finds bsdiff; the default tries bsdiff-node. */
  readonly loadBsdiff?: (() => Promise<BsdiffLoad>) | undefined;
}

/** Old tars and what is in them. */
interface Base {
  readonly files: readonly BaseFile[];
  readonly tree: OldTree;
  readonly maps: ReadonlyMap<number, TarMap>;
}

/**
 * Builds the delta from one image's layers to another's. Layers that both have are reused; every other
 * one is made from all old layers. The same images give the same bytes. Throws what opening layers
 * throws, `aborted`, and `StorageError` `no_space`.
 */
export async function buildImageDelta(options: ImageDeltaOptions): Promise<BuildReport> {
  const { from, to, signal } = options;
  const known = new Set(from.image.layers.map((layer) => layer.diffId));
  const wanted = [...new Set(to.image.layers.map((layer) => layer.diffId))];
  const isNew = wanted.some((diffId) => !known.has(diffId));
  const base = await openBase(from, isNew ? [...known] : [], signal);
  const codecs = await openCodecs({
    profile: options.profile,
    withoutEngine: options.withoutEngine,
    engineLimits: options.engineLimits,
    load: options.loadBsdiff,
    onNotice: options.onNotice,
  });
  try {
    return await build(options, base, codecs);
  } finally {
    await codecs.close();
  }
}

async function build(
  options: ImageDeltaOptions,
  base: Base,
  codecs: CodecRegistry,
): Promise<BuildReport> {
  const { from, to, signal } = options;
  const known = new Set(from.image.layers.map((layer) => layer.diffId));
  const wanted = [...new Set(to.image.layers.map((layer) => layer.diffId))];
  const fresh = new Map<Digest, RandomAccess>();
  for (const diffId of wanted) if (!known.has(diffId)) fresh.set(diffId, await to.tar(diffId));
  const total = [...fresh.values()].reduce((sum, tar) => sum + tar.size, 0);
  const progress = new BuildProgress(total, options.onProgress);
  const outputs: PlannedOutput[] = [];
  let planned = 0;
  for (const [n, diffId] of wanted.entries()) {
    const access = fresh.get(diffId);
    if (access === undefined) {
      outputs.push({ diffId, size: (await from.tar(diffId)).size, reuse: true });
      continue;
    }
    const parts = await planOutput({ access, base, likely: n, codecs, options, progress });
    outputs.push({ diffId, size: access.size, reuse: false, access, parts });
    planned += access.size;
    progress.planned(planned);
  }
  return writeDelta({
    kind: 'image',
    bases: base.files,
    outputs,
    image: {
      from: from.image.manifest.digest,
      to: to.image.manifest.digest,
      mediaType: to.image.manifest.mediaType,
      manifestBytes: to.image.manifestBytes,
      configBytes: to.image.configBytes,
    },
    output: options.output,
    scratch: options.scratch,
    profile: options.profile,
    progress,
    signal,
  });
}

async function openBase(
  from: LayerSet,
  diffIds: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<Base> {
  const files: BaseFile[] = [];
  for (const diffId of diffIds) {
    const access = await from.tar(diffId);
    files.push({ diffId, size: access.size, access });
  }
  const { tree, maps } = await OldTree.read(
    files.map((file) => file.access),
    { signal },
  );
  return { files, tree, maps };
}

async function planOutput(input: {
  readonly access: RandomAccess;
  readonly base: Base;
  /** The old layer that a layer which is no tar is compared with. */
  readonly likely: number;
  readonly codecs: CodecRegistry;
  readonly options: ImageDeltaOptions;
  readonly progress: BuildProgress;
}): ReturnType<typeof planTar> {
  const { access, base, codecs, progress } = input;
  const { scratch, signal } = input.options;
  const bases = base.files.map((file) => file.access);
  const map = await walkTar(access);
  if (map === undefined) {
    const likely = Math.min(input.likely, bases.length - 1);
    return planPlain({ output: access, bases, base: likely, codecs, scratch, signal });
  }
  return planTar({
    map,
    output: access,
    bases,
    baseMaps: base.maps,
    tree: base.tree,
    codecs,
    scratch,
    signal,
    onRead: (bytes) => {
      progress.add('read', bytes);
    },
    onCompared: (bytes) => {
      progress.add('compare', bytes);
    },
  });
}
