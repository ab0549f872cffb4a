import { rm } from 'node:fs/promises';

import { isDeltaError } from '../../../delta/errors.ts';
import { buildFileDelta } from '../../../delta/files.ts';
import { proveFileDelta } from '../../../delta/prove.ts';
import type { BuildReport, Profile } from '../../../delta/write-delta.ts';
import { ServerError } from '../../errors.ts';
import type { Output } from '../output.ts';
import { needFile, parseOperand } from './operands.ts';

export interface BuildOptions {
  readonly old: string;
  readonly new: string;
  readonly out: string;
  readonly profile: Profile;
  /** Apply the delta once to see that it leads to the new bytes. */
  readonly proof: boolean;
}

/**
 * Builds from one file or image to another of the same kind. Errors: `usage`, `not_found`, and what
 * building and proving throw; no delta is left then.
 */
export async function build(
  options: BuildOptions,
  scratch: string,
  output: Output,
): Promise<BuildReport> {
  const [from, to] = [parseOperand(options.old), parseOperand(options.new)];
  const bar = output.bar('building', 100, 'percent');
  const onProgress = (fraction: number): void => {
    bar.update(fraction * 100);
  };
  const { out, profile, proof } = options;
  const common = { output: out, scratch, profile, onProgress };
  if (from.kind === 'image' && to.kind === 'image') {
    const { buildImage } = await import('./images.ts');
    return proved(out, (withoutEngine) =>
      buildImage(from, to, { ...common, proof, withoutEngine }),
    );
  }
  if (from.kind !== 'file' || to.kind !== 'file') {
    throw new ServerError('usage', '--old and --new must both be files or both be images');
  }
  await needFile(from.path);
  await needFile(to.path);
  return proved(out, async (withoutEngine) => {
    const files = { old: from.path, new: to.path };
    const report = await buildFileDelta({ ...files, ...common, withoutEngine });
    if (proof) await proveFileDelta({ old: from.path, delta: out });
    return report;
  });
}

/** Builds; once more without the engine if the proof fails. Leaves no delta that was not proved. */
async function proved(
  out: string,
  buildOnce: (withoutEngine: boolean) => Promise<BuildReport>,
): Promise<BuildReport> {
  try {
    try {
      return await buildOnce(false);
    } catch (error) {
      if (!isDeltaError(error, 'output_mismatch') && !isDeltaError(error, 'bad_format'))
        throw error;
      process.stderr.write(`rivulet: built again without the engine: ${String(error)}\n`);
      return await buildOnce(true);
    }
  } catch (error) {
    await rm(out, { force: true });
    throw error;
  }
}
