import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { SliceAccess } from '../../storage/random-access.ts';
import { CODEC, REASON } from '../format/notes.ts';
import type { BsdiffGenerator } from './bsdiff-process.ts';
import { parseBsdiff } from './bsdiff-patch.ts';
import type { Alignment, AlignInput, Codec, Match } from './codec.ts';
import { reasonToDecline } from './likeness.ts';
import { writeWithoutRuns } from './run-stripper.ts';
import { placeMatches, type Segment } from './segments.ts';

export interface BsdiffLimits {
  /** Bytes of the old and of the new file; larger ones are aligned window by window. */
  readonly maxBytes: number;
  /** Bytes of a window of the old file; it takes 17 bytes of memory each. New windows are half as long. */
  readonly windowBytes: number;
  /** Wall time for a pair: this much, */
  readonly budgetMs: number;
  /** and this much more for each MiB of old and new. */
  readonly budgetMsPerMib: number;
}

/** Consecutive releases take a tenth of this on an idle core. */
export const BSDIFF_LIMITS: BsdiffLimits = {
  maxBytes: 64 * 1024 * 1024,
  windowBytes: 32 * 1024 * 1024,
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
    align: (input) =>
      Math.max(input.old.size, input.new.size) > limits.maxBytes
        ? alignWindows(input, generator, limits)
        : alignWhole(input, generator, limits),
  };
}

async function alignWhole(
  input: AlignInput,
  generator: BsdiffGenerator,
  limits: BsdiffLimits,
): Promise<Alignment> {
  const reason = await reasonToDecline(input.old, input.new);
  if (reason !== undefined) return { kind: 'declined', reason };
  const folder = await mkdtemp(join(input.scratch, 'bsdiff-'));
  try {
    return await alignIn(folder, input, generator, limits);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Aligns each stretch of the new file with the old bytes around the same relative place: what moved
 * farther than half a window is not found. Declines when every window does.
 */
async function alignWindows(
  input: AlignInput,
  generator: BsdiffGenerator,
  limits: BsdiffLimits,
): Promise<Alignment> {
  const { old, new: fresh } = input;
  const newBytes = Math.ceil(limits.windowBytes / 2);
  const matches: Match[] = [];
  let declined: Alignment | undefined;
  let hasAligned = false;
  for (let newStart = 0; newStart < fresh.size; newStart += newBytes) {
    const newSize = Math.min(newBytes, fresh.size - newStart);
    const middle = Math.round(((newStart + newSize / 2) / fresh.size) * old.size);
    const oldSize = Math.min(limits.windowBytes, old.size);
    const oldStart = Math.min(Math.max(middle - Math.floor(oldSize / 2), 0), old.size - oldSize);
    const window = {
      ...input,
      old: new SliceAccess(old, oldStart, oldSize),
      new: new SliceAccess(fresh, newStart, newSize),
    };
    const alignment = await alignWhole(window, generator, limits);
    if (alignment.kind === 'declined') {
      declined = alignment;
      continue;
    }
    hasAligned = true;
    for (const { newOffset, oldOffset, length } of alignment.matches) {
      matches.push({ newOffset: newStart + newOffset, oldOffset: oldStart + oldOffset, length });
    }
  }
  return hasAligned || declined === undefined ? { kind: 'aligned', matches } : declined;
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
