// The fast profile's differences: how many predicted bytes are right, then by how much one is wrong.

import { encoding } from '../code/arith';
import {
  plainLeft,
  putPlain,
  putPlainNumber,
  Stream,
  takePlain,
  takePlainNumber,
} from '../code/plain';
import { freshBase, putByte, putBytes } from './output';
import { CHUNK, predicted } from './window';

/** Right bytes since the last difference; applying: those before the next one. */
let gap: u32 = 0;

const NONE: u32 = 0xffffffff;

export function resetPlainResidual(): void {
  gap = encoding ? 0 : nextGap();
}

function nextGap(): u32 {
  return plainLeft(Stream.GAPS) === 0 ? NONE : takePlainNumber(Stream.GAPS);
}

/** Codes `length` new bytes from `fresh` against those predicted in the window. */
export function codePlainChunk(fresh: u32, length: u32): void {
  const from = predicted + <usize>CHUNK;
  if (encoding) compare(freshBase + <usize>fresh, from, length);
  if (encoding || gap >= length) {
    if (!encoding && gap !== NONE) gap -= length;
    putBytes(fresh, encoding ? freshBase + <usize>fresh : from, length);
    return;
  }
  for (let i: u32 = 0; i < length; i++) {
    const expected = <u32>load<u8>(from + <usize>i);
    if (gap > 0) {
      if (gap !== NONE) gap--;
      putByte(fresh + i, expected);
      continue;
    }
    putByte(fresh + i, expected + takePlain(Stream.VALUES));
    gap = nextGap();
  }
}

function compare(source: usize, from: usize, length: u32): void {
  for (let i: usize = 0; i < <usize>length; i++) {
    const change = <u32>load<u8>(source + i) - <u32>load<u8>(from + i);
    if (change === 0) {
      gap++;
      continue;
    }
    putPlainNumber(Stream.GAPS, gap);
    putPlain(Stream.VALUES, change);
    gap = 0;
  }
}
