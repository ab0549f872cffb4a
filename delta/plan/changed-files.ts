import type { IoOptions } from '../../storage/object-store.ts';
import { SliceAccess, type RandomAccess } from '../../storage/random-access.ts';
import type { Codec } from '../codecs/codec.ts';
import type { CodecRegistry } from '../codecs/registry.ts';
import { placeMatches } from '../codecs/segments.ts';
import { CODEC, REASON, type Reason } from '../format/notes.ts';
import { toInstructions, type BaseMatch } from './alignment.ts';
import { ConcatAccess } from './concat-access.ts';
import type { Instruction, OldRange } from './instruction.ts';
import { price } from './price.ts';

/** New bytes that no base tar has, and what they may come from. */
export interface ChangedFile {
  readonly offset: number;
  readonly length: number;
  readonly old?: OldRange | undefined;
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

/** Files from this size on are compared alone; smaller ones in bundles, so that moved content is found. */
const SOLO_BYTES = 1024 * 1024;
const BUNDLE_BYTES = 8 * 1024 * 1024;

/** Chooses the cheapest candidate for each changed file, in the order of `files`. */
export async function chooseForFiles(input: ChangedFilesInput): Promise<readonly Choice[]> {
  const choices: Choice[] = [];
  for (const bundle of bundles(input.files)) {
    choices.push(...(await chooseForBundle(input, bundle)));
    input.onCompared?.(bundle.reduce((sum, file) => sum + file.length, 0));
  }
  return choices;
}

/** Consecutive files, so that choices come out in order. */
function* bundles(files: readonly ChangedFile[]): Generator<readonly ChangedFile[]> {
  let bundle: ChangedFile[] = [];
  let bytes = 0;
  for (const file of files) {
    const weight = file.length + (file.old?.length ?? 0);
    if (bundle.length > 0 && (weight >= 2 * SOLO_BYTES || bytes + weight > BUNDLE_BYTES)) {
      yield bundle;
      bundle = [];
      bytes = 0;
    }
    bundle.push(file);
    bytes += weight;
    if (weight >= 2 * SOLO_BYTES) {
      yield bundle;
      bundle = [];
      bytes = 0;
    }
  }
  if (bundle.length > 0) yield bundle;
}

async function chooseForBundle(
  input: ChangedFilesInput,
  bundle: readonly ChangedFile[],
): Promise<Choice[]> {
  const candidates: Choice[][] = bundle.map(() => []);
  let declined: Reason | undefined = input.codecs.missing;
  for (const codec of input.codecs.aligning) {
    const groups = codec.isSolid ? [bundle] : bundle.map((file) => [file]);
    let n = 0;
    for (const group of groups) {
      const aligned = await alignGroup(input, group, codec);
      if (aligned.kind === 'declined') declined = aligned.reason ?? declined;
      else aligned.choices.forEach((choice, k) => candidates[n + k]?.push(choice));
      n += group.length;
    }
  }
  const choices: Choice[] = [];
  for (const [n, file] of bundle.entries()) {
    choices.push(await cheapest(input, file, candidates[n] ?? [], declined));
  }
  return choices;
}

type GroupAlignment =
  | { readonly kind: 'aligned'; readonly choices: readonly Choice[] }
  | { readonly kind: 'declined'; readonly reason?: Reason | undefined };

/** One candidate for each file of the group, or why there is none. */
async function alignGroup(
  { output, bases, scratch, signal }: ChangedFilesInput,
  group: readonly ChangedFile[],
  codec: Codec,
): Promise<GroupAlignment> {
  const olds = distinctOlds(group);
  if (olds.length === 0) return { kind: 'declined' };
  const fresh = new ConcatAccess(
    group.map((file) => new SliceAccess(output, file.offset, file.length)),
  );
  const old = new ConcatAccess(olds.map((range) => sliceOf(bases, range)));
  const alignment = await codec.align({ old, new: fresh, scratch, signal });
  if (alignment.kind === 'declined') return alignment;
  const byFile: BaseMatch[][] = group.map(() => []);
  for (const match of placeMatches(alignment.matches, fresh.segments, old.segments)) {
    const range = olds[match.oldSegment];
    if (range === undefined) continue;
    const oldOffset = range.offset + match.oldOffset;
    byFile[match.newSegment]?.push({ ...match, base: range.base, oldOffset });
  }
  const choices = group.map((file, n) => ({
    codec: codec.id,
    reason: REASON.difference,
    instructions: toInstructions(byFile[n] ?? [], file.length),
  }));
  return { kind: 'aligned', choices };
}

/** The candidate with the least estimated price; new bytes on their own are always one. */
async function cheapest(
  { output, bases }: ChangedFilesInput,
  file: ChangedFile,
  candidates: readonly Choice[],
  declined: Reason | undefined,
): Promise<Choice> {
  const literal: Instruction = { kind: 'literal', length: file.length };
  const worthPricing = candidates.filter(({ instructions }) =>
    instructions.some((instruction) => instruction.kind !== 'literal'),
  );
  const alone: Choice = {
    codec: CODEC.zstd,
    reason: aloneReason(file, worthPricing, declined),
    instructions: [literal],
  };
  if (worthPricing.length === 0) return alone;
  const fresh = new SliceAccess(output, file.offset, file.length);
  let best = alone;
  let bestPrice = await price([literal], fresh, bases);
  for (const candidate of worthPricing) {
    const candidatePrice = await price(candidate.instructions, fresh, bases);
    if (candidatePrice >= bestPrice) continue;
    best = candidate;
    bestPrice = candidatePrice;
  }
  return best;
}

function aloneReason(
  file: ChangedFile,
  candidates: readonly Choice[],
  declined: Reason | undefined,
): Reason {
  if (file.old === undefined) return REASON.nothingLike;
  const isDeclined = candidates.every((candidate) => candidate.codec === CODEC.inplace);
  return isDeclined && declined !== undefined ? declined : REASON.compressedWins;
}

function distinctOlds(group: readonly ChangedFile[]): readonly OldRange[] {
  const olds = new Map<string, OldRange>();
  for (const { old } of group) {
    if (old !== undefined && old.length > 0) olds.set(`${old.base} ${old.offset}`, old);
  }
  return [...olds.values()];
}

function sliceOf(bases: readonly RandomAccess[], range: OldRange): RandomAccess {
  const base = bases[range.base];
  if (base === undefined) throw new RangeError(`no base file ${range.base}`);
  return new SliceAccess(base, range.offset, range.length);
}
