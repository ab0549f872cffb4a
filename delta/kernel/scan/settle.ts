// Puts the references of a page in order and drops those that overlap.

import { alloc } from '../memory';
import { fieldBytes, Kind, Ref, REF_BYTES } from '../refs/kinds';
import { keepRefs, refCount, refs } from './emit';

const PAGE_BYTES: u32 = 4096;

/** For each byte of the page: index + 1 of the reference that begins there. */
let winners: usize = 0;
/** The references in order, before they go back. */
let ordered: usize = 0;

/** Allocates the module's memory; once a session. */
export function openSettle(): void {
  winners = alloc(<usize>PAGE_BYTES * 2);
  ordered = alloc(<usize>(PAGE_BYTES / 4) * REF_BYTES);
}

function refAt(index: u32): Ref {
  return changetype<Ref>(refs + <usize>index * REF_BYTES);
}

/**
 * Orders the references found in the page that begins at `from`. Of two at one place, the one of a kind
 * that only tables and procedure linkage have wins, otherwise the one found first; of two that overlap,
 * the one that begins first.
 */
export function settleRefs(from: u32): void {
  if (isSettled()) return;
  memory.fill(winners, 0, <usize>PAGE_BYTES * 2);
  for (let i: u32 = 0; i < refCount; i++) {
    const slot = winners + <usize>(refAt(i).offset - from) * 2;
    const winner = <u32>load<u16>(slot);
    if (winner === 0 || (isSpecial(refAt(i)) && !isSpecial(refAt(winner - 1)))) {
      store<u16>(slot, <u16>(i + 1));
    }
  }
  let count: u32 = 0;
  for (let place: u32 = 0; place < PAGE_BYTES;) {
    const winner = <u32>load<u16>(winners + <usize>place * 2);
    if (winner === 0) {
      place++;
      continue;
    }
    const ref = refAt(winner - 1);
    memory.copy(ordered + <usize>count * REF_BYTES, changetype<usize>(ref), REF_BYTES);
    count++;
    place += fieldBytes(ref.kind);
  }
  memory.copy(refs, ordered, <usize>count * REF_BYTES);
  keepRefs(count);
}

function isSpecial(ref: Ref): bool {
  return ref.kind >= <u8>Kind.FILE32;
}

function isSettled(): bool {
  let free: u32 = 0;
  for (let i: u32 = 0; i < refCount; i++) {
    const ref = refAt(i);
    if (ref.offset < free) return false;
    free = ref.offset + fieldBytes(ref.kind);
  }
  return true;
}
