import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';

import { applyFileDelta } from '../../delta/apply-file.ts';
import { ENGINE_LIMITS, type EngineLimits } from '../../delta/engine/engine.ts';
import { buildFileDelta } from '../../delta/files.ts';
import type { BuildReport, Profile } from '../../delta/write-delta.ts';
import { noise, prose, quickBsdiff, touched, withFolder } from './support.ts';

export interface EnginePair {
  readonly old: Buffer;
  readonly fresh: Buffer;
  readonly delta: Buffer;
  readonly report: BuildReport;
}

/** Builds with the engine, applies, and compares; nothing else may be left in the folder. */
export async function makePair(
  old: Buffer,
  fresh: Buffer,
  options: { readonly profile?: Profile; readonly limits?: Partial<EngineLimits> } = {},
): Promise<EnginePair> {
  return withFolder(async (folder) => {
    const [oldPath, newPath] = [join(folder, 'old'), join(folder, 'new')];
    const [delta, output] = [join(folder, 'delta'), join(folder, 'output')];
    await writeFile(oldPath, old);
    await writeFile(newPath, fresh);
    const report = await buildFileDelta({
      old: oldPath,
      new: newPath,
      output: delta,
      scratch: folder,
      profile: options.profile ?? 'small',
      engineLimits: { ...ENGINE_LIMITS, ...options.limits },
      loadBsdiff: quickBsdiff,
    });
    await applyFileDelta({ old: oldPath, delta, output });
    expect((await readFile(output)).equals(fresh)).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(['delta', 'new', 'old', 'output']);
    return { old, fresh, delta: await readFile(delta), report };
  });
}

/** A program of `length` bytes and its next version: touched, with something put in and taken out. */
export function nextVersion(length: number, seed: number): readonly [Buffer, Buffer] {
  const old = Buffer.concat([prose(length / 2, seed), noise(length / 2, seed + 1)]);
  const changed = touched(old, Math.ceil(length / 4000), seed + 2);
  const third = Math.floor(length / 3);
  const fresh = Buffer.concat([
    changed.subarray(0, third),
    prose(Math.min(500, third), seed + 3),
    changed.subarray(third, 2 * third),
    changed.subarray(2 * third + Math.min(200, third)),
  ]);
  return [old, fresh];
}
