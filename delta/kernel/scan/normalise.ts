// For matching, references are rewritten so that fields with the same target have the same bytes
// wherever they stand: a field holds its target itself, in terms of the new file. A log of the fields
// brings the file's own bytes back.

import { imageAt, imageCount } from '../elf/images';
import { Image } from '../elf/image';
import { fail, Fault } from '../fail';
import { mapAddress, mapOffset } from '../map/map';
import { alloc } from '../memory';
import { oldBase, oldSize, openOld } from '../old';
import { fieldBytes, isOffsetKind, Kind, Ref, REF_BYTES } from '../refs/kinds';
import { putField } from '../refs/fields';
import { refCount, refs } from './emit';
import { PAGE_SHIFT, scanPage } from './page';
import { scanOldPage } from './pages';

/**
 * The fields of a file in memory, ascending. Each has in the log: its distance from the previous one
 * (LEB128), its kind and a hint of 3 bits, and as many bytes as the field. The bytes begin with the
 * target while the log is made; afterwards they are those that the field does not hold at present.
 */
@unmanaged
export class FieldLog {
  /** Where the file lies. */
  base: usize;
  /** Where the log's bytes are. */
  begin: usize;
  end: usize;
}

/** The log grows by this or a quarter; nothing else may be allocated until it is complete. */
const GROWTH: usize = 65536;
/** A distance, a kind and the widest field. */
const MAX_ENTRY_BYTES: usize = 5 + 1 + 12;

/** Of the log being made: the end of its memory, the last field's place, and where the next may be. */
let room: usize = 0;
let previous: u32 = 0;
let free: u32 = 0;

/** Rewrites the pair's old bytes, which must be in memory, by the map of map/map.ts. */
export function normaliseOld(): FieldLog {
  const log = openLog(oldBase);
  for (let page: u32 = 0; page << PAGE_SHIFT < oldSize; page++) {
    scanOldPage(page);
    for (let i: u32 = 0; i < refCount; i++) {
      const ref = refAt(i);
      addField(log, ref, mappedTarget(ref));
    }
  }
  if (imageCount > 0) rewriteFields(log, imageAt(0));
  return log;
}

/** Rewrites the new file, of which `image` was parsed as the only old bytes, with its own targets. */
export function normaliseNew(base: usize, length: u32, image: Image): FieldLog {
  const size = oldSize;
  const place = oldBase;
  const log = openLog(base);
  openOld(length, base);
  for (let page: u32 = 0; page << PAGE_SHIFT < length; page++) {
    scanPage(image, page);
    for (let i: u32 = 0; i < refCount; i++) addField(log, refAt(i), ownTarget(refAt(i)));
  }
  openOld(size, place);
  rewriteFields(log, image);
  return log;
}

/**
 * What an old field would hold in the new file. Where a table begins is a guess, which may differ
 * between the files: its words stay relative.
 */
function mappedTarget(ref: Ref): u32 {
  if (isOffsetKind(ref.kind)) return mapOffset(ref.target);
  const target = mapAddress(ref.target);
  return ref.kind === <u8>Kind.TABLE32 ? target - mapAddress(ref.base) : target;
}

function ownTarget(ref: Ref): u32 {
  return ref.kind === <u8>Kind.TABLE32 ? ref.target - ref.base : ref.target;
}

/** Brings the file's own bytes back; a second time, the rewritten ones; and so on. */
export function swapFields(log: FieldLog): void {
  let offset: u32 = 0;
  for (let at = log.begin; at < log.end;) {
    at = nextEntry(at);
    offset += distance;
    const bytes = fieldBytes(load<u8>(at) >> 3);
    swapBytes(at + 1, log.base + offset, bytes);
    at += 1 + bytes;
  }
}

function refAt(index: u32): Ref {
  return changetype<Ref>(refs + <usize>index * REF_BYTES);
}

function openLog(base: usize): FieldLog {
  const log = changetype<FieldLog>(alloc(offsetof<FieldLog>()));
  log.base = base;
  log.begin = log.end = alloc(GROWTH);
  room = log.begin + GROWTH;
  previous = free = 0;
  return log;
}

/** A field that overlaps the one before, across pages, is left as it is. */
function addField(log: FieldLog, ref: Ref, target: u32): void {
  if (ref.offset < free) return;
  free = ref.offset + fieldBytes(ref.kind);
  if (room - log.end < MAX_ENTRY_BYTES) {
    const growth = max(GROWTH, ((log.end - log.begin) >> 2) & ~(<usize>15));
    if (alloc(growth) !== room) fail(Fault.MEMORY, <u32>growth);
    room += growth;
  }
  let at = log.end;
  let gap = ref.offset - previous;
  previous = ref.offset;
  for (; gap > 127; gap >>= 7) store<u8>(at++, <u8>(gap | 128));
  store<u8>(at++, <u8>gap);
  store<u8>(at++, <u8>(((<u32>ref.kind) << 3) | hintOf(ref)));
  store<u32>(at, target);
  log.end = at + fieldBytes(ref.kind);
}

/** What rewriting needs of `aux`. */
function hintOf(ref: Ref): u32 {
  if (ref.kind === <u8>Kind.A64_LO12 || ref.kind === <u8>Kind.T32_B25) return ref.aux & 7;
  return ref.kind === <u8>Kind.SYMBOL && ref.aux !== 0 ? 1 : 0;
}

let distance: u32 = 0;

/** Reads an entry's `distance`; returns where its kind is. */
function nextEntry(at: usize): usize {
  let byte = <u32>load<u8>(at++);
  distance = byte & 127;
  for (let shift: u32 = 7; byte > 127; shift += 7) {
    byte = load<u8>(at++);
    distance |= (byte & 127) << shift;
  }
  return at;
}

function rewriteFields(log: FieldLog, image: Image): void {
  let offset: u32 = 0;
  for (let at = log.begin; at < log.end;) {
    at = nextEntry(at);
    offset += distance;
    const tag = <u32>load<u8>(at++);
    const bytes = fieldBytes(tag >> 3);
    const target = load<u32>(at);
    for (let i: u32 = 0; i < bytes; i += 4) store<u32>(at + i, load<u32>(log.base + offset + i));
    rewrite(tag >> 3, tag & 7, log.base + offset, target, image);
    at += bytes;
  }
}

/** Writes the target into a field: bare, or as the instruction standing at address 0 would hold it. */
function rewrite(kind: u32, hint: u32, at: usize, target: u32, image: Image): void {
  if (kind === Kind.ABS64) store<u64>(at, target);
  else if (kind === Kind.STEP32) store<u32>(at, 0);
  else if (kind === Kind.STEP64) store<u64>(at, 0);
  else if (kind === Kind.SYMBOL && hint !== 0) store<u32>(at, load<u8>(at) | ((target >> 4) << 8));
  else if (isInstruction(kind)) putField(kind, hint, at, 0, target, 0, image);
  else store<u32>(at, target);
}

/** True if other bits of an instruction share the field's bytes. */
function isInstruction(kind: u32): bool {
  if (kind >= <u32>Kind.RV_JAL) return true;
  return (kind >= <u32>Kind.A64_B26 && kind <= <u32>Kind.A32_B24) || kind === Kind.A32_PLT;
}

function swapBytes(a: usize, b: usize, bytes: u32): void {
  for (let i: u32 = 0; i < bytes; i += 4) {
    const held = load<u32>(a + i);
    store<u32>(a + i, load<u32>(b + i));
    store<u32>(b + i, held);
  }
}
