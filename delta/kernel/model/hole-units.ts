// New bytes of holes. An .eh_frame is coded record by record; the .eh_frame_hdr right before it is made
// of it and not coded: applying decodes the records twice.

import { encoding } from '../code/arith';
import { Cost, countAs } from '../code/cost';
import { Image } from '../elf/image';
import { imageOfOffset } from '../elf/images';
import { fail, Fault } from '../fail';
import { mark, release } from '../memory';
import { beginEhFrame, codeEhRecord, ehRecord } from './eh-frame';
import { decodeEhTable } from './eh-frame-hdr';
import { Hole, holeAt, holeCount, HoleKind } from './holes';
import { freshBase, putBytes } from './output';

let fresh: Image = changetype<Image>(0);
let hole: Hole = changetype<Hole>(0);
let at: u32 = 0;
/** What the unit of records has allocated since; 0 while there is none. */
let base: usize = 0;
/** Where the table's bytes are, less its new offset. */
let table: usize = 0;

export function openHoleUnits(image: Image): void {
  fresh = image;
}

/** No unit is open: a section begins. */
export function resetHoleUnits(): void {
  base = 0;
}

/** Begins hole number `index`. */
export function openHole(index: u32): void {
  hole = holeAt(index);
  at = hole.fresh;
  if (hole.kind === HoleKind.EH_FRAME) {
    if (base === 0) beginRecords(hole);
    return;
  }
  const isTable = hole.kind === HoleKind.EH_FRAME_HDR && index + 1 < holeCount;
  if (!isTable) return fail(Fault.BAD_FORMAT, hole.fresh);
  const records = holeAt(index + 1);
  const isNext = records.fresh === hole.fresh + hole.bytes;
  if (!isNext || records.kind !== HoleKind.EH_FRAME) return fail(Fault.BAD_FORMAT, hole.fresh);
  table = freshBase;
  if (encoding) return;
  beginRecords(records);
  table = decodeEhTable(fresh, hole.fresh, hole.bytes, records.bytes) - <usize>hole.fresh;
}

function beginRecords(records: Hole): void {
  base = mark();
  const old = imageOfOffset(records.old);
  if (old === null) return fail(Fault.BAD_FORMAT, records.fresh);
  const source = encoding ? freshBase + <usize>records.fresh : 0;
  beginEhFrame(old, records.old, records.oldBytes, fresh, records.fresh, records.bytes, source);
}

/** Codes on up to about `limit` or the hole's end; returns where it stands. */
export function continueHole(limit: u32): u32 {
  const end = hole.fresh + hole.bytes;
  const stop = min(limit, end);
  if (hole.kind === HoleKind.EH_FRAME_HDR) {
    putBytes(at, table + <usize>at, stop - at);
    at = stop;
    return at;
  }
  countAs(Cost.EH_FRAME, 0);
  while (at < stop) {
    const bytes = codeEhRecord();
    putBytes(at, ehRecord, bytes);
    at += bytes;
  }
  if (at === end) {
    release(base);
    base = 0;
  }
  return at;
}
