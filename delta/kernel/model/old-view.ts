// An old byte as it would look at a new place: inside a reference, the reference predicted for there.

import { isLeftOut, Step } from '../ablation';
import { addressOf, Image, NO_PLACE } from '../elf/image';
import { OFFSET_KEY, predictTarget } from '../learn/targets';
import { mapAddress, mapOffset } from '../map/map';
import { alloc } from '../memory';
import { oldSize } from '../old';
import { fieldBytes, hasBase, isOffsetKind, Kind, Ref, REF_BYTES } from '../refs/kinds';
import { putField } from '../refs/fields';
import { oldByte, oldPage } from '../scan/pages';

/** Not a byte: there is none. */
export const NO_BYTE: u32 = 256;
/** Old place after the previous block, or before the next: none. */
export const NO_NEIGHBOUR: u32 = 0xffffffff;
const MAX_FIELD: u32 = 12;

let fresh: Image = changetype<Image>(0);
/** Two views, so that two old places can be followed at once: field offset, its place, its bytes. */
let fields: usize = 0;
const VIEW: usize = 32;

export function openOldView(image: Image): void {
  fresh = image;
  fields = alloc(VIEW * 2);
  clearOldView();
}

/** What was predicted may be out of date. */
export function clearOldView(): void {
  store<u32>(fields, NO_PLACE);
  store<u32>(fields + VIEW, NO_PLACE);
}

/** The old byte at `old` for new place `at`, through view 0 or 1. */
export function oldByteAt(old: u32, at: u32, view: u32): u32 {
  if (old >= oldSize) return NO_BYTE;
  if (isLeftOut(Step.OLD_FIELDS)) return oldByte(old);
  const page = oldPage(old >>> 12);
  const ref = findRef(page.refs, page.count, old);
  if (ref === 0) return oldByte(old);
  const r = changetype<Ref>(ref);
  const inside = old - r.offset;
  const kind = <u32>r.kind;
  if (inside >= fieldBytes(kind) || kind === Kind.STEP32 || kind === Kind.STEP64) {
    return oldByte(old);
  }
  const place = at - inside;
  const cache = fields + <usize>view * VIEW;
  if (load<u32>(cache) !== r.offset || load<u32>(cache, 4) !== place) {
    placeField(r.offset, kind, r.aux, r.target, r.base, place, cache);
  }
  return <u32>load<u8>(cache + 8 + <usize>inside);
}

function placeField(
  offset: u32,
  kind: u32,
  aux: u32,
  target: u32,
  base: u32,
  place: u32,
  cache: usize,
): void {
  const length = fieldBytes(kind);
  store<u32>(cache, offset);
  store<u32>(cache, place, 4);
  for (let i: u32 = 0; i < MAX_FIELD; i++) {
    if (i < length && offset + i < oldSize) store<u8>(cache + 8 + <usize>i, <u8>oldByte(offset + i));
  }
  const address = addressOf(fresh, place);
  const isOffset = isOffsetKind(kind);
  const goal = predictTarget(isOffset ? target | OFFSET_KEY : target);
  const from = isOffset ? mapOffset(base) : hasBase(kind) ? mapAddress(base) : 0;
  putField(kind, aux, cache + 8, address === NO_PLACE ? place : address, goal, from, fresh);
}

/** The last reference that begins at or before `old`, or 0. */
function findRef(refs: usize, count: u32, old: u32): usize {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (changetype<Ref>(refs + <usize>middle * REF_BYTES).offset <= old) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : refs + <usize>(low - 1) * REF_BYTES;
}
