import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { CODEC, REASON } from '../format/notes.ts';
import type { BsdiffGenerator } from './bsdiff-process.ts';
import { parseBsdiff } from './bsdiff-patch.ts';
import type { Alignment, AlignInput, Codec } from './codec.ts';
import { reasonToDecline } from './likeness.ts';
import { writeWithoutRuns } from './run-stripper.ts';
import { placeMatches, type Segment } from './segments.ts';

export interface BsdiffLimits {
  /** Bytes of the old and of the new file; 17 bytes of memory are needed per old byte. */
  readonly maxBytes: number;
  /** Wall time for a pair: this much, */
  readonly budgetMs: number;
  /** and this much more for each MiB of old and new. */
  readonly budgetMsPerMib: number;
}

/** Consecutive releases take a tenth of this on an idle core. */
export const BSDIFF_LIMITS: BsdiffLimits = {
  maxBytes: 64 * 1024 * 1024,
  budgetMs: 20_000,
  budgetMsPerMib: 4000,
};

/** Aligns by bsdiff 4.3 (suffix sort of the old bytes). */
export function createBsdiffCodec(
  generator: BsdiffGenerator,
  limits: BsdiffLimits = BSDIFF_LIMITS,
): Codec {
  return {
    id: CODEC.bsdiff,
    name: 'bsdiff',
    isSolid: true,
    align: async (input) => {
      if (Math.max(input.old.size, input.new.size) > limits.maxBytes) {
        return { kind: 'declined', reason: REASON.bsdiffTooLarge };
      }
      const reason = await reasonToDecline(input.old, input.new);
      if (reason !== undefined) return { kind: 'declined', reason };
      const folder = await mkdtemp(join(input.scratch, 'bsdiff-'));
      try {
        return await alignIn(folder, input, generator, limits);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function alignIn(
  folder: string,
  input: AlignInput,
  generator: BsdiffGenerator,
  limits: BsdiffLimits,
): Promise<Alignment> {
  const { signal } = input;
  const files = {
    old: join(folder, 'old'),
    new: join(folder, 'new'),
    patch: join(folder, 'patch'),
  };
  const old = await writeWithoutRuns(input.old, files.old, { signal });
  const fresh = await writeWithoutRuns(input.new, files.new, { signal });
  const [oldSize, newSize] = [sizeOf(old), sizeOf(fresh)];
  if (oldSize === 0 || newSize === 0) return { kind: 'aligned', matches: [] };
  const mebibytes = (oldSize + newSize) / 2 ** 20;
  const budgetMs = limits.budgetMs + limits.budgetMsPerMib * mebibytes;
  const outcome = await generator.diff(files, { budgetMs, signal });
  if (outcome === 'budget') return { kind: 'declined', reason: REASON.bsdiffBudget };
  const matches = parseBsdiff(await readFile(files.patch), oldSize, newSize);
  return { kind: 'aligned', matches: placeMatches(matches, fresh, old) };
}

function sizeOf(segments: readonly Segment[]): number {
  const last = segments.at(-1);
  return last === undefined ? 0 : last.start + last.length;
}
