// The new .eh_frame, coded record by record. Each is told by an old one: the next, the one that is found
// by its function's place, a jump by some records, or (a function that is new) any; then as predicted, or
// its bytes against the predicted ones.
//
// Nothing outside of these modules is learned, so that applying can code the records twice: once for the
// table of .eh_frame_hdr, which comes before them, and once for themselves.

import { encoding } from '../code/arith';
import { addressOf, Image, NO_PLACE } from '../elf/image';
import { fail, Fault } from '../fail';
import { alloc } from '../memory';
import { codeEhBytes } from './eh-bytes';
import { findCounterpart, openEhChoice } from './eh-choose';
import { codeEhFlag, codeEhNumber, EhFlag, openEhCode, resetEhCode } from './eh-code';
import { ehRecordCount, indexEhRecords, readEhRecordOf } from './eh-index';
import {
  findSuccessor,
  noteFunction,
  NO_RECORD,
  openEhPlaces,
  predictedTrust,
  predictInserted,
  predictStart,
  resetEhPlaces,
  runAt,
} from './eh-places';
import {
  EhKind,
  EhRecord,
  EhSection,
  MAX_RECORD,
  newEhRecord,
  newEhSection,
  openEhRecords,
  readEhRecord,
  setEhSection,
} from './eh-records';
import {
  copyTemplate,
  AUGMENTATION_AT,
  CIE_AT,
  RANGE_AT,
  START_AT,
  endTrust,
  openEhTemplate,
  predictHead,
  predictTail,
  startTrust,
  tailChanges,
  template,
  templateBytes,
} from './eh-template';

/** How a record is named. */
const enum Mode {
  NEXT = 0,
  FOUND = 1,
  JUMP = 2,
  INSERTED = 3,
}

/** Pairs of an old CIE and the new one, 8 bytes each: places plus 1, replaced in turn. */
const CIE_PAIRS: u32 = 64;

let old: EhSection = changetype<EhSection>(0);
let oldRecord: EhRecord = changetype<EhRecord>(0);
/** Building: the section that is coded, and its next record. */
let fresh: EhSection = changetype<EhSection>(0);
let freshRecord: EhRecord = changetype<EhRecord>(0);
let buffer: usize = 0;
let pairs: usize = 0;

/** The old record that follows the last one. */
let next: u32 = 0;
/** Bytes coded. */
let done: u32 = 0;
let pairCount: u32 = 0;
let lastCie: u32 = 0;
/** 2 bits for each mode, 1 for each record that was not as predicted; the latest lowest. */
let modes: u32 = 0;
let misses: u32 = 0;

/** The last coded record. */
export let ehRecord: usize = 0;
/** If it describes code, its first address; else NO_PLACE. */
export let ehRecordStart: u32 = 0;

/** Allocates what all units of a session use: about 0.9 MB. */
export function openEhFrame(): void {
  openEhRecords();
  openEhPlaces();
  openEhTemplate();
  openEhCode();
  old = newEhSection();
  fresh = newEhSection();
  oldRecord = newEhRecord();
  freshRecord = newEhRecord();
  buffer = alloc(8 + <usize>MAX_RECORD);
  ehRecord = buffer + 8;
  pairs = alloc((<usize>CIE_PAIRS) << 3);
}

/**
 * Begins the unit that makes new bytes `freshOffset` to `freshOffset + freshBytes`, in `image`, of old bytes in
 * `oldImage`. Building, the new bytes are at `source`. Allocates 8 bytes for each old 4 KiB, building also
 * for each old record: the caller releases them after the unit.
 */
export function beginEhFrame(
  oldImage: Image,
  oldOffset: u32,
  oldBytes: u32,
  image: Image,
  freshOffset: u32,
  freshBytes: u32,
  source: usize,
): void {
  const oldAddress = addressOf(oldImage, oldOffset);
  const address = addressOf(image, freshOffset);
  if (oldAddress === NO_PLACE || address === NO_PLACE) fail(Fault.BAD_FORMAT, freshOffset);
  setEhSection(old, oldOffset, oldBytes, oldAddress, oldImage.is64 ? 8 : 4, 0);
  setEhSection(fresh, freshOffset, freshBytes, address, oldImage.is64 ? 8 : 4, source);
  indexEhRecords(old);
  if (ehRecordCount === 0) fail(Fault.BAD_FORMAT, oldOffset);
  if (encoding) openEhChoice();
  rewindEhFrame();
}

/** Forgets what was coded since the unit began. */
export function rewindEhFrame(): void {
  resetEhCode();
  resetEhPlaces();
  memory.fill(buffer, 0, 8);
  next = done = 0;
  pairCount = lastCie = 0;
  modes = misses = 0;
}

/** Codes the next record; returns its bytes, which are at {@link ehRecord}. */
export function codeEhRecord(): u32 {
  const room = fresh.bytes - done;
  const address = fresh.address + done;
  if (encoding && !readEhRecord(fresh, done, freshRecord)) fail(Fault.BAD_FORMAT, done);
  const mode = codeMode();
  const isInserted = mode === Mode.INSERTED;
  const until = isInserted && oldRecord.kind === EhKind.FDE ? predictStart(oldRecord) : 0;
  const oldAddress = old.address + oldRecord.at;
  copyTemplate(old, oldRecord);
  const isFunction = oldRecord.kind === EhKind.FDE;
  if (isFunction) {
    const start = isInserted ? predictInserted() : predictStart(oldRecord);
    predictHead(done + CIE_AT - newCieOf(oldRecord.cie), start, address);
    predictTail(oldRecord, oldAddress, start, address, isInserted, until);
  }
  const last = bswap(load<u32>(ehRecord - 4));
  let bytes = templateBytes;
  if (codeSame(mode, room)) memory.copy(ehRecord, template, bytes);
  else {
    const source = fresh.memory + <usize>done;
    bytes = codeEhBytes(
      source,
      ehRecord,
      room,
      last,
      old,
      oldRecord,
      oldAddress,
      address,
      isInserted,
      until,
    );
  }
  note(bytes, address, isInserted);
  return bytes;
}

/** Codes which record tells the next one, and reads it into `oldRecord`. */
function codeMode(): Mode {
  let kind: u32 = 3;
  let start: u32 = 0;
  let found = NO_RECORD;
  let state: u32 = 8;
  let trust: u32 = 0;
  if (next < ehRecordCount) {
    readEhRecordOf(next, oldRecord);
    kind = oldRecord.kind;
    state = 5 + kind;
    if (kind === EhKind.FDE) {
      start = predictStart(oldRecord);
      trust = predictedTrust;
      state = runAt(start);
      if (state !== 0) found = findSuccessor(next, state);
    }
  }
  let mode: Mode = Mode.NEXT;
  let index = next;
  if (encoding) {
    index = choose(kind, start, found);
    if (index === NO_RECORD) mode = Mode.INSERTED;
    else if (index === found) mode = Mode.FOUND;
    else if (index !== next) mode = Mode.JUMP;
  }
  const hint: u32 = found === NO_RECORD ? 0 : found < next ? 1 : 2;
  const history = modes & 0xffff;
  if (
    !codeEhFlag(mode !== Mode.NEXT ? 1 : 0, EhFlag.LEAVE, history, state, hint + 4 * state, trust)
  ) {
    if (kind === 3) fail(Fault.BAD_FORMAT, done);
    mode = Mode.NEXT;
    index = next;
  } else if (
    found !== NO_RECORD &&
    codeEhFlag(mode === Mode.FOUND ? 1 : 0, EhFlag.FOUND, history, state, hint + 4 * state, trust)
  ) {
    mode = Mode.FOUND;
    index = found;
  } else if (
    codeEhFlag(
      mode === Mode.INSERTED ? 1 : 0,
      EhFlag.INSERTED,
      history,
      state,
      hint + 4 * state,
      trust,
    )
  ) {
    mode = Mode.INSERTED;
    index = min(next, ehRecordCount - 1);
  } else {
    mode = Mode.JUMP;
    index = codeJump(index);
  }
  modes = (modes << 2) | mode;
  readEhRecordOf(index, oldRecord);
  if (mode !== Mode.INSERTED) next = index + 1;
  return mode;
}

/** Codes a record index by its distance from the next one. */
function codeJump(index: u32): u32 {
  const isBack = codeEhFlag(index < next ? 1 : 0, EhFlag.BACKWARDS, modes & 0xffff, 0, 0, 0);
  if (isBack) {
    const distance = codeEhNumber(next - index, 1);
    if (distance > next) fail(Fault.BAD_FORMAT, distance);
    return next - distance;
  }
  const distance = codeEhNumber(index - next, 0);
  if (distance >= ehRecordCount - min(next, ehRecordCount)) fail(Fault.BAD_FORMAT, distance);
  return next + distance;
}

/** Building: the old record for `freshRecord`, NO_RECORD for a new one. */
function choose(kind: u32, start: u32, found: u32): u32 {
  const isFunction = freshRecord.kind === EhKind.FDE;
  if (kind === freshRecord.kind && (!isFunction || start === freshRecord.start)) return next;
  if (found !== NO_RECORD && isFunction) {
    readEhRecordOf(found, oldRecord);
    if (predictStart(oldRecord) === freshRecord.start) return found;
  }
  return findCounterpart(freshRecord, next);
}

function codeSame(mode: Mode, room: u32): bool {
  const isFunction = oldRecord.kind === EhKind.FDE;
  const kind: u32 = !isFunction ? 0 : oldRecord.facts < 256 ? 1 : 2;
  const source = fresh.memory + <usize>done;
  let same: u32 = 0;
  if (encoding) {
    const isEqual = freshRecord.bytes === templateBytes;
    same = isEqual && memory.compare(source, template, templateBytes) === 0 ? 1 : 0;
  }
  const trust = ((startTrust + 1) >>> 1) * 5 + ((endTrust + 1) >>> 1);
  const changes = isFunction ? tailChanges : 12;
  same = codeEhFlag(
    same,
    EhFlag.SAME + kind * 4 + mode,
    misses,
    changes,
    32 - clz(templateBytes),
    trust,
  );
  if (same && templateBytes > room) fail(Fault.BAD_FORMAT, done);
  misses = (misses << 1) | (same ^ 1);
  return same !== 0;
}

/** The place of the new CIE for an old one's. */
function newCieOf(cie: u32): u32 {
  for (let i: u32 = 0; i < min(pairCount, CIE_PAIRS); i++) {
    const pair = pairs + ((<usize>i) << 3);
    if (load<u32>(pair) === cie) return load<u32>(pair, 4);
  }
  return lastCie;
}

/** Learns the record of `bytes` bytes that was made. */
function note(bytes: u32, address: u32, isInserted: bool): void {
  ehRecordStart = NO_PLACE;
  if (bytes > AUGMENTATION_AT && load<u32>(ehRecord, CIE_AT) !== 0) {
    const start = address + START_AT + load<u32>(ehRecord, START_AT);
    const isTold = !isInserted && oldRecord.kind === EhKind.FDE;
    noteFunction(start, load<u32>(ehRecord, RANGE_AT), isTold ? oldRecord.start : start);
    ehRecordStart = start;
  } else if (bytes > 4) {
    lastCie = done;
    if (oldRecord.kind === EhKind.CIE) {
      const pair = pairs + ((<usize>(pairCount++ & (CIE_PAIRS - 1))) << 3);
      store<u32>(pair, oldRecord.at);
      store<u32>(pair, done, 4);
    }
  }
  done += bytes;
  store<u64>(buffer, load<u64>(ehRecord + bytes - 8));
}
