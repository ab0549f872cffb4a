import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import type { CodecRegistry } from '../codecs/registry.ts';
import type { Reason } from '../format/notes.ts';
import { chooseByAlignment } from './aligned-files.ts';
import { encodeBundle } from './engine-bundle.ts';
import { bundleFiles } from './bundles.ts';
import type { Instruction, OldRange } from './instruction.ts';

/** New bytes that no base tar has, and what they may come from. */
export interface ChangedFile {
  readonly offset: number;
  readonly length: number;
  /** What they most likely come from. */
  readonly old?: OldRange | undefined;
  /** Further old bytes that may hold a part of them. */
  readonly others?: readonly OldRange[] | undefined;
  /** Bytes of output between the last changed file and this one that are not plainly copied. */
  readonly workBefore?: number | undefined;
}

/** How a changed file is coded. */
export interface Choice {
  readonly codec: number;
  readonly reason: Reason;
  readonly instructions: readonly Instruction[];
}

export interface ChangedFilesInput extends IoOptions {
  readonly files: readonly ChangedFile[];
  /** The new bytes that `files` are ranges of. */
  readonly output: RandomAccess;
  readonly bases: readonly RandomAccess[];
  readonly codecs: CodecRegistry;
  readonly scratch: string;
  readonly onCompared?: ((bytes: number) => void) | undefined;
}

/**
 * Chooses how each changed file is coded, in the order of `files`: by the engine, several bundles at a
 * time, the largest first; where it declines, by the codecs that align; by itself where that is smaller.
 */
export async function chooseForFiles(input: ChangedFilesInput): Promise<readonly Choice[]> {
  const { engine } = input.codecs;
  if (engine === undefined) {
    const choices = await chooseByAlignment(input, input.files);
    for (const file of input.files) input.onCompared?.(file.length);
    return choices;
  }
  const bundles = await bundleFiles(input, engine.limits);
  const order = [...bundles].sort((a, b) => b.bytes - a.bytes);
  const jobs = new Map(order.map((bundle) => [bundle, encodeBundle(engine, input, bundle)]));
  // One that fails while another is awaited is heard of in its turn, or after an earlier failure never.
  for (const job of jobs.values()) job.catch(() => undefined);
  try {
    const choices: Choice[] = [];
    for (const bundle of bundles) {
      const result = await jobs.get(bundle);
      if (result?.kind === 'chosen') choices.push(...result.choices);
      else choices.push(...(await withoutEngine(input, bundle.files, result?.reason)));
    }
    return choices;
  } finally {
    await Promise.allSettled(jobs.values());
  }
}

/** Files that stay by themselves tell why the engine declined. */
async function withoutEngine(
  input: ChangedFilesInput,
  files: readonly ChangedFile[],
  reason: Reason | undefined,
): Promise<readonly Choice[]> {
  const choices = await chooseByAlignment(input, files);
  return choices.map((choice) => {
    const isAlone = choice.instructions.every(({ kind }) => kind === 'literal');
    return isAlone && reason !== undefined ? { ...choice, reason } : choice;
  });
}
