// The beginning of the control stream: the new file's segments and holes, told by the old ones.

import { codeNumber, codeSigned } from '../code/numbers';
import { encoding } from '../code/arith';
import { Image, MAX_SEGMENTS } from '../elf/image';
import { addSegment } from '../elf/segments';
import { fail, Fault } from '../fail';
import { addHole, holeAt, holeCount, MAX_HOLES } from './holes';

const SEGMENT_COUNT: u32 = 10;
const OFFSET: u32 = 11;
const ADDRESS: u32 = 12;
const FILE_BYTES: u32 = 13;
const MEMORY_BYTES: u32 = 14;
const FLAGS: u32 = 15;
const HOLE_COUNT: u32 = 16;
const HOLE_KIND: u32 = 17;
const HOLE_PLACE: u32 = 18;
const HOLE_SIZE: u32 = 19;
const LOWEST: u32 = 20;

/**
 * Codes the segments of the new file, each against the old one of the same number. Applying adds them
 * to `fresh`.
 */
export function codeSegments(fresh: Image, old: Image): void {
  const low = codeSigned(<i32>(<u32>fresh.lowest - <u32>old.lowest), LOWEST, 0, 0, 0);
  const high = codeSigned(
    <i32>(<u32>(fresh.lowest >> 32) - <u32>(old.lowest >> 32)),
    LOWEST,
    1,
    0,
    0,
  );
  fresh.lowest =
    <u64>(<u32>old.lowest + <u32>low) |
    (<u64>(<u32>(old.lowest >> 32) + <u32>high) << 32);
  const count = codeNumber(fresh.segmentCount, SEGMENT_COUNT, 0, 0, 0);
  if (count > MAX_SEGMENTS) fail(Fault.BAD_FORMAT, count);
  for (let i: u32 = 0; i < count; i++) codeSegment(fresh, old, i);
}

function codeSegment(fresh: Image, old: Image, i: u32): void {
  const isKnown = i < old.segmentCount;
  const o = old.segment(i);
  const s = fresh.segment(i);
  const offset0 = isKnown ? o.offset - old.fileOffset : 0;
  const address0 = isKnown ? o.address - old.addressBase : 0;
  const fileBytes0 = isKnown ? o.fileBytes : 0;
  const memoryBytes0 = isKnown ? o.memoryBytes : 0;
  const moved = codeChange(s.offset - offset0, OFFSET, i);
  const apart = codeChange(s.address - address0 - moved, ADDRESS, 0);
  const grown = codeChange(s.fileBytes - fileBytes0, FILE_BYTES, i);
  const more = codeChange(s.memoryBytes - memoryBytes0 - grown, MEMORY_BYTES, 0);
  const flags = codeNumber(s.flags ^ (isKnown ? o.flags : 0), FLAGS, 0, 0, 0);
  if (encoding) return;
  const isRight = addSegment(
    fresh,
    address0 + moved + apart,
    offset0 + moved,
    fileBytes0 + grown,
    memoryBytes0 + grown + more,
    flags ^ (isKnown ? o.flags : 0),
  );
  if (!isRight) fail(Fault.BAD_FORMAT, i);
}

function codeChange(change: u32, id: u32, context: u32): u32 {
  return <u32>codeSigned(<i32>change, id, context, 0, 0);
}

/** Codes the holes; they must ascend and lie inside the files. */
export function codeHoles(newSize: u32, oldSize: u32): void {
  const count = codeNumber(holeCount, HOLE_COUNT, 0, 0, 0);
  if (count > MAX_HOLES) fail(Fault.BAD_FORMAT, count);
  let end: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const hole = holeAt(i);
    const kind = codeNumber(hole.kind, HOLE_KIND, 0, 0, 0);
    const old = codeNumber(hole.old, HOLE_PLACE, 0, 0, 0);
    const oldBytes = codeNumber(hole.oldBytes, HOLE_SIZE, 0, 0, 0);
    const fresh = old + <u32>codeSigned(<i32>(hole.fresh - old), HOLE_PLACE, 1, 0, 0);
    const bytes = oldBytes + <u32>codeSigned(<i32>(hole.bytes - oldBytes), HOLE_SIZE, 1, 0, 0);
    if (fresh < end || fresh > newSize || bytes > newSize - fresh) fail(Fault.BAD_FORMAT, fresh);
    if (old > oldSize || oldBytes > oldSize - old) fail(Fault.BAD_FORMAT, old);
    end = fresh + bytes;
    if (!encoding) addHole(fresh, bytes, old, oldBytes, kind);
  }
}
