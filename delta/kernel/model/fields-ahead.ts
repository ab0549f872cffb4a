// The references of a block: predicted before the chunk where they begin, learned when it is known.

import { addressOf, Image, NO_PLACE } from '../elf/image';
import {
  confidence,
  learnTarget,
  likelyTarget,
  mapped,
  missRate,
  OFFSET_KEY,
  predictTarget,
  runnerUp,
  trust,
} from '../learn/targets';
import { mapAddress, mapOffset } from '../map/map';
import { alloc } from '../memory';
import { putField, takeField } from '../refs/fields';
import { fieldBytes, hasBase, isOffsetKind, Kind, Ref, REF_BYTES } from '../refs/kinds';
import { isPage, oldByte, OldPage, oldPage } from '../scan/pages';
import { freshBase, sectionStart } from './output';
import { CHUNK, kinds, other, predicted, risk, setRisk, sureness } from './window';
import { branchAfter, learnBranch } from './x64-targets';

/** A predicted reference whose field is not complete yet: 40 bytes. */
@unmanaged
class Pending {
  /** First byte after the field, in the block. */
  end: u32;
  fresh: u32;
  key: u32;
  place: u32;
  base: u32;
  target: u32;
  kind: u32;
  aux: u32;
  /** Where the map takes the target, and how unsure it is of that. */
  mapped: u32;
  trust: u32;
}

const PENDING_BYTES: usize = 40;
const MAX_PENDING: u32 = 32;
/** Confidence of a field that goes up by steps. */
const STEP_CONFIDENCE: u32 = 49;
/** Blocks shorter than this are often wrong: their targets are not learned. */
const MIN_LEARNED: u32 = 24;

let image: Image = changetype<Image>(0);
let pending: usize = 0;
/** References whose fields are not complete yet. */
export let pendingCount: u32 = 0;
/** The page of the next reference, and its index among that page's. */
let page: u32 = 0;
let index: u32 = 0;
/** Where the page was when it was last looked at. */
let known: OldPage = changetype<OldPage>(0);
let learns: bool = true;

/** Of the field being predicted: what its target is called, its place in the new file, its new base. */
let key: u32 = 0;
let place: u32 = 0;
let base: u32 = 0;

export function openFields(fresh: Image): void {
  image = fresh;
  pending = alloc(PENDING_BYTES * MAX_PENDING);
}

/** Begins a block at old offset `old`. */
export function openBlockFields(old: u32, length: u32): void {
  pendingCount = 0;
  learns = length >= MIN_LEARNED;
  page = old >>> 12;
  known = oldPage(page);
  index = 0;
  while (index < known.count && refAt(known.refs, index).offset < old) index++;
}

@inline
function refAt(refs: usize, i: u32): Ref {
  return changetype<Ref>(refs + <usize>i * REF_BYTES);
}

@inline
function refsHere(): OldPage {
  if (!isPage(known, page)) known = oldPage(page);
  return known;
}

@inline
function pendingAt(i: u32): Pending {
  return changetype<Pending>(pending + <usize>i * PENDING_BYTES);
}

/**
 * Predicts into the window the references of the block (new `fresh`, old `old`, `length` bytes) that
 * begin before `to`; the window's chunk begins at `from`.
 */
export function predictFields(fresh: u32, old: u32, length: u32, from: u32, to: u32): void {
  setRisk(0);
  while (nextField(old + to)) {
    const ref = refAt(known.refs, index++);
    if (old + length - ref.offset >= fieldBytes(ref.kind)) predictField(ref, fresh, old, from);
  }
}

/** As {@link predictFields}, into the output, which holds the old bytes there. */
export function predictFieldsInPlace(fresh: u32, old: u32, length: u32, from: u32, to: u32): void {
  while (nextField(old + to)) {
    const ref = refAt(known.refs, index++);
    if (old + length - ref.offset >= fieldBytes(ref.kind)) predictInPlace(ref, fresh, old, from);
  }
}

/** Goes on to the page of the next reference; false if none begins before old offset `to`. */
@inline
function nextField(to: u32): bool {
  while (index >= refsHere().count) {
    if ((page + 1) << 12 >= to) return false;
    page++;
    index = 0;
  }
  return refAt(known.refs, index).offset < to;
}

/** No reference that is still to predict begins before this old offset. */
export function quietUntil(): u32 {
  return index < refsHere().count ? refAt(known.refs, index).offset : (page + 1) << 12;
}

function predictField(ref: Ref, fresh: u32, old: u32, from: u32): void {
  const position = ref.offset - old;
  const kind = <u32>ref.kind;
  const aux = <u32>ref.aux;
  const length = fieldBytes(kind);
  const window = <usize>(CHUNK + position - from);
  const at = predicted + window;
  let sure: u32;
  if (kind === Kind.STEP32 || kind === Kind.STEP64) {
    if (!putStep(ref.offset, fresh + position, position, from, kind, aux, at)) return;
    memory.copy(other + window, at, length);
    sure = STEP_CONFIDENCE;
  } else {
    openField(ref, fresh + position);
    const target = predictTarget(key);
    const second = runnerUp;
    sure = confidence;
    setRisk(risk + missRate);
    addPending(ref, position, fresh + position, target);
    putField(kind, aux, at, place, target, base, image);
    if (second === target && length === 4) store<u32>(other + window, load<u32>(at));
    else if (second === target) memory.copy(other + window, at, length);
    else putField(kind, aux, other + window, place, second, base, image);
  }
  markField(window, length, kind, sure);
}

@inline
function predictInPlace(ref: Ref, fresh: u32, old: u32, from: u32): void {
  const position = ref.offset - old;
  const kind = <u32>ref.kind;
  const at = freshBase + <usize>(fresh + position);
  if (kind === Kind.STEP32 || kind === Kind.STEP64) {
    putStep(ref.offset, fresh + position, position, from, kind, ref.aux, at);
    return;
  }
  openField(ref, fresh + position);
  const target = likelyTarget(key);
  addPending(ref, position, fresh + position, target);
  putField(kind, ref.aux, at, place, target, base, image);
}

@inline
function openField(ref: Ref, newPlace: u32): void {
  const kind = <u32>ref.kind;
  const isOffset = isOffsetKind(kind);
  const address = addressOf(image, newPlace);
  place = address === NO_PLACE ? newPlace : address;
  key = isOffset ? ref.target | OFFSET_KEY : ref.target;
  base = isOffset ? mapOffset(ref.base) : hasBase(kind) ? mapAddress(ref.base) : 0;
}

/** Notes what was predicted last, for {@link learnFields}. */
@inline
function addPending(ref: Ref, position: u32, newPlace: u32, target: u32): void {
  const kind = <u32>ref.kind;
  if (pendingCount === MAX_PENDING || kind === Kind.A64_ADRP) return;
  const p = pendingAt(pendingCount++);
  p.end = position + fieldBytes(kind);
  p.fresh = newPlace;
  p.key = key;
  p.place = place;
  p.base = base;
  p.target = target;
  p.kind = kind;
  p.aux = ref.aux;
  p.mapped = mapped;
  p.trust = trust;
}

/** Notes kind and confidence of a field's bytes. */
@inline
function markField(window: usize, length: u32, kind: u32, sure: u32): void {
  if (length === 4) {
    store<u32>(kinds + window, kind * 0x08080808 + 0x03020100);
    store<u32>(sureness + window, sure * 0x01010101);
    return;
  }
  for (let i: u32 = 0; i < length; i++) {
    store<u8>(kinds + window + <usize>i, <u8>(kind * 8 + min(i, 7)));
    store<u8>(sureness + window + <usize>i, <u8>sure);
  }
}

/** The field as the previous entry's new value plus the old step; false without a previous entry. */
function putStep(
  old: u32,
  fresh: u32,
  position: u32,
  from: u32,
  kind: u32,
  aux: u32,
  at: usize,
): bool {
  if (position < aux || fresh - aux < sectionStart) return false;
  const bytes: u32 = kind === Kind.STEP32 ? 4 : 8;
  let carry: i32 = 0;
  for (let i: u32 = 0; i < bytes; i++) {
    const step = <i32>oldByte(old + i) - <i32>oldByte(old - aux + i);
    const isMade = position - aux + i < from;
    const made = isMade ? freshBase + <usize>(fresh - aux + i) : at - <usize>(aux - i);
    const sum = <i32>load<u8>(made) + step + carry;
    store<u8>(at + <usize>i, <u8>sum);
    carry = sum >> 8;
  }
  return true;
}

/** Learns from the fields that end at or before `to`. */
export function learnFields(to: u32): void {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < pendingCount; i++) {
    const p = pendingAt(i);
    if (p.end > to) {
      if (kept !== i) memory.copy(pending + <usize>kept * PENDING_BYTES, pending + <usize>i * PENDING_BYTES, PENDING_BYTES);
      kept++;
      continue;
    }
    if (!learns) continue;
    const bytes = freshBase + <usize>p.fresh;
    const actual = takeField(p.kind, p.aux, bytes, p.place, p.base, p.target, image);
    if (actual === NO_PLACE) continue;
    learnTarget(p.key, actual, p.mapped, p.trust);
    if (p.kind === Kind.X64_REL32 && p.fresh > sectionStart) {
      learnBranch(branchAfter(load<u8>(bytes - 1)), actual);
    }
  }
  pendingCount = kept;
}
