import { SliceAccess } from '../../storage/random-access.ts';
import type { Codec } from '../codecs/codec.ts';
import { placeMatches } from '../codecs/segments.ts';
import { CODEC, REASON, type Reason } from '../format/notes.ts';
import { toInstructions, type BaseMatch } from './alignment.ts';
import type { ChangedFile, ChangedFilesInput, Choice } from './changed-file.ts';
import { ConcatAccess } from './concat-access.ts';
import { distinctRanges, sliceOf } from './old-ranges.ts';
import type { PlainInstruction } from './instruction.ts';
import { price } from './price.ts';

/** Files from this size on are aligned alone; smaller ones in bundles, so that moved content is found. */
const SOLO_BYTES = 1024 * 1024;
const BUNDLE_BYTES = 8 * 1024 * 1024;

/** The cheapest of the codecs that align, and of the new bytes alone, for each file in their order. */
export async function chooseByAlignment(
  input: ChangedFilesInput,
  files: readonly ChangedFile[],
): Promise<readonly Choice[]> {
  const { aligning, missing } = await input.codecs.fallback();
  const choices: Choice[] = [];
  for (const bundle of bundles(files)) {
    choices.push(...(await chooseForBundle(input, bundle, aligning, missing)));
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
  aligning: readonly Codec[],
  missing: Reason | undefined,
): Promise<Choice[]> {
  const candidates: Candidate[][] = bundle.map(() => []);
  let declined = missing;
  for (const codec of aligning) {
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

/** A choice that can be priced before it is coded. */
type Candidate = Choice & { readonly instructions: readonly PlainInstruction[] };

type GroupAlignment =
  | { readonly kind: 'aligned'; readonly choices: readonly Candidate[] }
  | { readonly kind: 'declined'; readonly reason?: Reason | undefined };

/** One candidate for each file of the group, or why there is none. */
async function alignGroup(
  { output, bases, scratch, signal }: ChangedFilesInput,
  group: readonly ChangedFile[],
  codec: Codec,
): Promise<GroupAlignment> {
  const olds = distinctRanges(group.map(({ old }) => old));
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
  candidates: readonly Candidate[],
  declined: Reason | undefined,
): Promise<Choice> {
  const literal = { kind: 'literal', length: file.length } as const;
  const worthPricing = candidates.filter(({ instructions }) =>
    instructions.some((instruction) => instruction.kind !== 'literal'),
  );
  const alone: Candidate = {
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
  candidates: readonly Candidate[],
  declined: Reason | undefined,
): Reason {
  if (file.old === undefined) return REASON.nothingLike;
  const isDeclined = candidates.every((candidate) => candidate.codec === CODEC.inplace);
  return isDeclined && declined !== undefined ? declined : REASON.compressedWins;
}
