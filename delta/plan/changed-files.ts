import type { Reason } from '../format/notes.ts';
import { chooseByAlignment } from './aligned-files.ts';
import { bundleFiles } from './bundles.ts';
import type { ChangedFile, ChangedFilesInput, Choice } from './changed-file.ts';
import { encodeBundle } from './engine-bundle.ts';

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
