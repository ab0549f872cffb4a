import type { RandomAccess } from '../../storage/random-access.ts';
import { CODEC, REASON } from '../format/notes.ts';
import type { Instruction, Part } from './instruction.ts';
import type { OldRange } from './old-ranges.ts';

/** Padding and headers between two payloads, and the old ones that they resemble. */
export interface HeaderPlace {
  readonly start: number;
  readonly end: number;
  readonly old?: OldRange | undefined;
}

/** More differing bytes than this and headers compress better on their own, next to each other. */
const MAX_DIFFERING_SHARE = 1 / 8;
/** Compared at once; a trailer can be long. */
const READ_BYTES = 64 * 1024;

/**
 * Codes tar headers against old ones. Both are lined up at their ends, where the header proper stands:
 * the padding before it depends on the payload that came before.
 */
export async function headerPart(
  { start, end, old }: HeaderPlace,
  output: RandomAccess,
  bases: readonly RandomAccess[],
): Promise<readonly Part[]> {
  const length = end - start;
  if (length === 0) return [];
  const shared = Math.min(length, old?.length ?? 0);
  const base = old === undefined ? undefined : bases[old.base];
  if (old === undefined || base === undefined || shared === 0) return [newHeader(length)];
  const offset = old.offset + old.length - shared;
  const differing = await countDifferences(base, offset, output, end - shared, shared);
  if (differing > shared * MAX_DIFFERING_SHARE) return [newHeader(length)];
  const lead: readonly Instruction[] =
    shared < length ? [{ kind: 'literal', length: length - shared }] : [];
  return [
    {
      kind: 'header',
      length,
      codec: differing === 0 && shared === length ? CODEC.copy : CODEC.inplace,
      reason: REASON.header,
      instructions: [
        ...lead,
        { kind: differing === 0 ? 'copy' : 'add', length: shared, base: old.base, offset },
      ],
    },
  ];
}

function newHeader(length: number): Part {
  return {
    kind: 'header',
    length,
    codec: CODEC.zstd,
    reason: REASON.newHeader,
    instructions: [{ kind: 'literal', length }],
  };
}

async function countDifferences(
  old: RandomAccess,
  oldOffset: number,
  fresh: RandomAccess,
  newOffset: number,
  length: number,
): Promise<number> {
  let count = 0;
  for (let at = 0; at < length; at += READ_BYTES) {
    const part = Math.min(READ_BYTES, length - at);
    const oldBytes = await old.read(oldOffset + at, part);
    const newBytes = await fresh.read(newOffset + at, part);
    if (oldBytes.equals(newBytes)) continue;
    for (let n = 0; n < part; n += 1) if (oldBytes[n] !== newBytes[n]) count += 1;
  }
  return count;
}
