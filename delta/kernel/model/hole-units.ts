// New bytes of holes: each kind by its own model.

import { encoding } from '../code/arith';
import { Cost, countAs } from '../code/cost';
import { Image } from '../elf/image';
import { imageOfOffset } from '../elf/images';
import { fail, Fault } from '../fail';
import { mark, release } from '../memory';
import { beginEhFrame, codeEhRecord, ehRecord } from './eh-frame';
import { Hole, HoleKind } from './holes';
import { freshBase, putBytes } from './output';

let fresh: Image = changetype<Image>(0);
let hole: Hole = changetype<Hole>(0);
let at: u32 = 0;
let base: usize = 0;

export function openHoleUnits(image: Image): void {
  fresh = image;
}

/** Begins a hole. */
export function openHole(next: Hole): void {
  hole = next;
  at = next.fresh;
  base = mark();
  const old = imageOfOffset(next.old);
  if (old === null || next.kind !== HoleKind.EH_FRAME) return fail(Fault.BAD_FORMAT, next.fresh);
  const source = encoding ? freshBase + <usize>next.fresh : 0;
  beginEhFrame(old, next.old, next.oldBytes, fresh, next.fresh, next.bytes, source);
}

/** Codes on up to about `limit` or the hole's end; returns where it stands. */
export function continueHole(limit: u32): u32 {
  const end = hole.fresh + hole.bytes;
  const stop = min(limit, end);
  countAs(Cost.EH_FRAME, 0);
  while (at < stop) {
    const bytes = codeEhRecord();
    putBytes(at, ehRecord, bytes);
    at += bytes;
  }
  if (at === end) release(base);
  return at;
}
