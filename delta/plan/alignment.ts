import type { Match } from '../codecs/codec.ts';
import type { PlainInstruction } from './instruction.ts';

/** Where a match's old bytes stand in a base file. */
export interface BaseMatch extends Match {
  readonly base: number;
}

/**
 * The least length at which a match is worth an instruction: about four bytes of instruction and
 * source against half a byte for each literal (measured on programs).
 */
const MIN_MATCH_BYTES = 20;

/** PlainInstructions for `length` new bytes: matches, and literals between them. */
export function toInstructions(matches: readonly BaseMatch[], length: number): PlainInstruction[] {
  const instructions: PlainInstruction[] = [];
  let at = 0;
  for (const match of matches) {
    if (match.length < MIN_MATCH_BYTES && match.length < length) continue;
    if (match.newOffset > at) {
      instructions.push({ kind: 'literal', length: match.newOffset - at });
    }
    const { base, oldOffset: offset } = match;
    instructions.push({ kind: 'add', length: match.length, base, offset });
    at = match.newOffset + match.length;
  }
  if (at < length) instructions.push({ kind: 'literal', length: length - at });
  return instructions;
}
