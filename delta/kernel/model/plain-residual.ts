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
import { freshBase } from './output';
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
  if (encoding) {
    compare(freshBase + <usize>fresh, from, length);
  } else {
    memory.copy(freshBase + <usize>fresh, from, length);
    addDifferences(fresh, length);
  }
}

/** Applying: `length` bytes of the output from `fresh` on are as predicted; makes them right. */
export function addDifferences(fresh: u32, length: u32): void {
  let at: u32 = 0;
  while (gap !== NONE && gap < length - at) {
    at += gap;
    const byte = freshBase + <usize>(fresh + at);
    store<u8>(byte, load<u8>(byte) + <u8>takePlain(Stream.VALUES));
    at++;
    gap = nextGap();
  }
  if (gap !== NONE) gap -= length - at;
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
