import { SliceAccess, type RandomAccess } from '../../storage/random-access.ts';
import { isUnrelated } from '../codecs/likeness.ts';
import type { Engine } from '../engine/engine.ts';
import { CODEC, REASON, type Reason } from '../format/notes.ts';
import { EFFORTS } from '../format/stream.ts';
import { isWorthIt } from './alone-bytes.ts';
import type { Bundle } from './bundles.ts';
import type { ChangedFilesInput, Choice } from './changed-file.ts';
import { ConcatAccess } from './concat-access.ts';
import { sumStored, type EncodedPair, type EncodedSection } from './encoded-pair.ts';
import type { Instruction } from './instruction.ts';
import { type OldRange, sliceOf } from './old-ranges.ts';

export type BundleResult =
  | { readonly kind: 'chosen'; readonly choices: readonly Choice[] }
  | { readonly kind: 'declined'; readonly reason: Reason };

/** New bytes beyond this share of the old ones, and this many more, are mostly new. */
const MOST_NEW_SHARE = 8;
const MOST_NEW_BYTES = 1024 * 1024;

type BundleInput = Pick<ChangedFilesInput, 'output' | 'bases' | 'signal' | 'onCompared'>;

/**
 * Codes a bundle by the engine; its files are coded alone where that is smaller. Declines, so that
 * other codecs are tried, when the engine does.
 */
export async function encodeBundle(
  engine: Engine,
  input: BundleInput,
  bundle: Bundle,
): Promise<BundleResult> {
  const { pairBytes } = engine.limits;
  const largest = Math.max(bundle.newBytes, bundle.bytes - bundle.newBytes);
  if (largest > pairBytes) return encodeWindows(engine, input, bundle);
  const fresh = newBytesOf(input, bundle);
  const pair = await encodePair(engine, input, bundle.sources, fresh);
  if (typeof pair === 'number') return { kind: 'declined', reason: pair };
  const isBetter = await isWorthIt(pair.storedBytes, fresh, EFFORTS[engine.profile]);
  let from = 0;
  const choices = bundle.files.map(({ length, old }): Choice => {
    const start = from;
    from += length;
    if (!isBetter) {
      return { ...choice([{ kind: 'literal', length }]), reason: REASON.compressedWins };
    }
    const reason = old === undefined ? REASON.nothingLike : REASON.difference;
    return { ...choice([{ kind: 'model', length, pair, from: start }]), reason };
  });
  return { kind: 'chosen', choices };
}

/**
 * Codes one file as pairs of its stretches with the old bytes around the same relative place: what
 * moved farther than half a window is not found.
 */
async function encodeWindows(
  engine: Engine,
  input: BundleInput,
  bundle: Bundle,
): Promise<BundleResult> {
  const { pairBytes } = engine.limits;
  const fresh = newBytesOf(input, bundle);
  const [source] = bundle.sources;
  if (source === undefined) return { kind: 'declined', reason: REASON.nothingLike };
  const instructions: Instruction[] = [];
  const step = Math.ceil(pairBytes / 2);
  for (let at = 0; at < fresh.size; at += step) {
    const length = Math.min(step, fresh.size - at);
    const middle = Math.round(((at + length / 2) / fresh.size) * source.length);
    const size = Math.min(pairBytes, source.length);
    const start = Math.min(Math.max(middle - Math.floor(size / 2), 0), source.length - size);
    const range = { base: source.base, offset: source.offset + start, length: size };
    const window = new SliceAccess(fresh, at, length);
    const pair = await encodePair(engine, input, [range], window);
    const isCoded =
      typeof pair !== 'number' &&
      (await isWorthIt(pair.storedBytes, window, EFFORTS[engine.profile]));
    instructions.push(
      isCoded ? { kind: 'model', length, pair, from: 0 } : { kind: 'literal', length },
    );
  }
  if (instructions.some(({ kind }) => kind === 'model')) {
    return { kind: 'chosen', choices: [choice(instructions)] };
  }
  return { kind: 'declined', reason: REASON.compressedWins };
}

/** The pair, or why there is none. */
async function encodePair(
  engine: Engine,
  { bases, signal, onCompared }: BundleInput,
  sources: readonly OldRange[],
  fresh: RandomAccess,
): Promise<EncodedPair | Reason> {
  if (fresh.size === 0 || sources.length === 0) return REASON.nothingLike;
  const old = new ConcatAccess(sources.map((range) => sliceOf(bases, range)));
  if (fresh.size > old.size * MOST_NEW_SHARE + MOST_NEW_BYTES) return REASON.mostlyNew;
  if (await isUnrelated(old, fresh)) return REASON.unrelated;
  const lengths = sources.map(({ length }) => length);
  const result = await engine.encode(
    { old, sources: lengths, fresh, onCoded: onCompared },
    { signal },
  );
  if (result.kind === 'declined') return result.reason;
  const sections: EncodedSection[] = [];
  let start = 0;
  for (const { end, streams } of result.sections) {
    sections.push({ start, end, streams, storedBytes: sumStored(streams) });
    start = end;
  }
  const { control, profile, statistics } = result;
  const storedBytes =
    sumStored(control) + sections.reduce((sum, section) => sum + section.storedBytes, 0);
  return { profile, sources, newBytes: fresh.size, control, sections, storedBytes, statistics };
}

function newBytesOf({ output }: BundleInput, { files }: Bundle): RandomAccess {
  return new ConcatAccess(
    files.map(({ offset, length }) => new SliceAccess(output, offset, length)),
  );
}

function choice(instructions: readonly Instruction[]): Choice {
  const codec = instructions.some(({ kind }) => kind === 'model') ? CODEC.engine : CODEC.zstd;
  return { codec, reason: REASON.difference, instructions };
}
