import type { IoOptions } from '../storage/object-store.ts';
import type { FileAccess } from '../storage/random-access.ts';
import { openForReading } from './apply-file.ts';
import { digestOfAll } from './digest-range.ts';
import type { BsdiffLoad } from './codecs/bsdiff-process.ts';
import { openCodecs } from './codecs/registry.ts';
import type { EngineLimits } from './engine/engine.ts';
import { planPlain } from './plan/plain-plan.ts';
import { BuildProgress } from './plan/progress.ts';
import { OldTree } from './plan/old-tree.ts';
import type { Part } from './plan/instruction.ts';
import { planTar } from './plan/tar-plan.ts';
import { walkTar } from './tree/walk.ts';
import { writeDelta, type BuildReport, type Profile } from './write-delta.ts';
import { writeWholeIfSmaller } from './write-whole.ts';

export interface FileDeltaOptions extends IoOptions {
  /** Path of the old file. */
  readonly old: string;
  /** Path of the new file. */
  readonly new: string;
  /** Path of the delta to write; left absent on failure. */
  readonly output: string;
  /** Folder for temporary files. */
  readonly scratch: string;
  readonly profile: Profile;
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

/** Builds a delta between two files; two tars are recognised and coded entry by entry. */
export async function buildFileDelta(options: FileDeltaOptions): Promise<BuildReport> {
  const old = await openForReading(options.old);
  try {
    const fresh = await openForReading(options.new);
    try {
      return await build(old, fresh, options);
    } finally {
      await fresh.close();
    }
  } finally {
    await old.close();
  }
}

async function build(
  old: FileAccess,
  access: FileAccess,
  options: FileDeltaOptions,
): Promise<BuildReport> {
  const { scratch, signal } = options;
  const progress = new BuildProgress(access.size, options.onProgress);
  const plan = await planFile(old, access, progress, options);
  progress.planned(access.size);
  const diffId = await digestOfAll(access, { signal });
  const oldId = await digestOfAll(old, { signal });
  const input = {
    kind: plan.kind,
    bases: [{ diffId: oldId, size: old.size, access: old }],
    outputs: [{ diffId, size: access.size, reuse: false, access, parts: plan.parts }],
    output: options.output,
    scratch,
    profile: options.profile,
    progress,
    signal,
  } as const;
  const report = await writeDelta(input);
  return (await writeWholeIfSmaller(input, report)) ?? report;
}

async function planFile(
  old: FileAccess,
  access: FileAccess,
  progress: BuildProgress,
  options: FileDeltaOptions,
): Promise<{ readonly kind: 'file' | 'tar'; readonly parts: readonly Part[] }> {
  const { scratch, signal } = options;
  const map = await walkTar(access);
  const { tree, maps } = await OldTree.read(map === undefined ? [] : [old], { signal });
  const codecs = await openCodecs({
    profile: options.profile,
    withoutEngine: options.withoutEngine,
    engineLimits: options.engineLimits,
    load: options.loadBsdiff,
    onNotice: options.onNotice,
  });
  try {
    const common = { output: access, bases: [old], codecs, scratch, signal };
    const onCompared = (bytes: number): void => {
      progress.add('compare', bytes);
    };
    if (map === undefined || maps.size === 0) {
      return { kind: 'file', parts: await planPlain({ ...common, base: 0, onCompared }) };
    }
    const onRead = (bytes: number): void => {
      progress.add('read', bytes);
    };
    const parts = await planTar({ ...common, map, baseMaps: maps, tree, onRead, onCompared });
    return { kind: 'tar', parts };
  } finally {
    await codecs.close();
  }
}
