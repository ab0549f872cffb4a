import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { parseDigest } from '../storage/digest.ts';
import { fromErrno, syncDirectory } from '../storage/durable.ts';
import type { IoOptions } from '../storage/object-store.ts';
import { FileAccess } from '../storage/random-access.ts';
import { applyDelta, checkBaseFile, openDelta } from './apply.ts';
import type { BsdiffLoad } from './codecs/bsdiff-process.ts';
import { openCodecs } from './codecs/registry.ts';
import { DeltaError } from './errors.ts';
import { digestOfAll, planPlain } from './plan/plain-plan.ts';
import { BuildProgress } from './plan/progress.ts';
import { OldTree } from './plan/old-tree.ts';
import { planTar } from './plan/tar-plan.ts';
import { walkTar } from './tree/walk.ts';
import { writeDelta, type BuildReport, type Profile } from './write-delta.ts';

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
  /** Finds bsdiff; the default tries bsdiff-node. */
  readonly loadBsdiff?: (() => Promise<BsdiffLoad>) | undefined;
}

/** Builds a delta between two files; two tars are recognised and coded entry by entry. */
export async function buildFileDelta(options: FileDeltaOptions): Promise<BuildReport> {
  const old = await openFile(options.old);
  try {
    const fresh = await openFile(options.new);
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
  const codecs = await openCodecs({ load: options.loadBsdiff, onNotice: options.onNotice });
  const progress = new BuildProgress(access.size, options.onProgress);
  const onRead = (bytes: number): void => {
    progress.add('read', bytes);
  };
  const onCompared = (bytes: number): void => {
    progress.add('compare', bytes);
  };
  const map = await walkTar(access);
  const { tree, maps } = await OldTree.read(map === undefined ? [] : [old], { signal });
  const common = { output: access, bases: [old], codecs, scratch, signal };
  const isTar = map !== undefined && maps.size > 0;
  const parts = isTar
    ? await planTar({ ...common, map, baseMaps: maps, tree, onRead, onCompared })
    : await planPlain({ ...common, base: 0 });
  progress.planned(access.size);
  const diffId = parseDigest(await digestOfAll(access, { signal }));
  return writeDelta({
    kind: isTar ? 'tar' : 'file',
    bases: [
      { diffId: parseDigest(await digestOfAll(old, { signal })), size: old.size, access: old },
    ],
    outputs: [{ diffId, size: access.size, reuse: false, access, parts }],
    output: options.output,
    scratch,
    profile: options.profile,
    progress,
    signal,
  });
}

/**
 * Applies a file or tar delta: `old` is hashed first (`wrong_base` when it is another file); the
 * output is written beside its place and renamed once its digest is right, so that a failure leaves
 * nothing there.
 */
export async function applyFileDelta(
  options: IoOptions & {
    readonly old: string;
    readonly delta: string;
    readonly output: string;
    readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  },
): Promise<void> {
  const source = await openFile(options.delta);
  try {
    const old = await openFile(options.old);
    try {
      await apply(source, old, options);
    } finally {
      await old.close();
    }
  } finally {
    await source.close();
  }
}

async function apply(
  source: FileAccess,
  old: FileAccess,
  options: Parameters<typeof applyFileDelta>[0],
): Promise<void> {
  const delta = await openDelta(source);
  const [base] = delta.base;
  if (delta.kind === 'image' || base === undefined) {
    throw new DeltaError(
      'wrong_base',
      `${options.delta} is a delta between images (${delta.from ?? ''} to ${delta.to ?? ''}), not between files`,
    );
  }
  await checkBaseFile(old, base, { signal: options.signal });
  const temporary = `${options.output}.${randomUUID()}.tmp`;
  try {
    await applyDelta(
      delta,
      { tar: () => Promise.resolve(old) },
      { output: () => Promise.resolve(createWriteStream(temporary, { flags: 'wx' })) },
      { signal: options.signal, onProgress: options.onProgress },
    );
    await syncFile(temporary);
    await rename(temporary, options.output);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fromErrno(error, `writing ${options.output}`);
  }
  await syncDirectory(dirname(options.output));
}

async function openFile(path: string): Promise<FileAccess> {
  try {
    return await FileAccess.open(path);
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
