// The unit of an .eh_frame that is being coded: both sections, how far it is, and the template of the
// next record.

import { encoding } from '../code/arith';
import { addressOf, Image, NO_PLACE } from '../elf/image';
import { fail, Fault } from '../fail';
import { alloc } from '../memory';
import { predictInserted, predictStart } from './eh-places';
import {
  EhKind,
  EhRecord,
  EhSection,
  MAX_EH_SECTION,
  newEhRecord,
  newEhSection,
  readEhRecord,
  setEhSection,
} from './eh-records';
import { CIE_AT, copyTemplate, predictHead, predictTail } from './eh-template';

/** Pairs of an old CIE and the new one, 8 bytes each, replaced in turn. */
const CIE_PAIRS: u32 = 64;

export let old: EhSection = changetype<EhSection>(0);
export let fresh: EhSection = changetype<EhSection>(0);
/** The old record that the next one is told by. */
export let oldRecord: EhRecord = changetype<EhRecord>(0);
/** Building: the next record. */
export let freshRecord: EhRecord = changetype<EhRecord>(0);
/** Bytes coded. */
export let done: u32 = 0;
/** Where the next old function is predicted, if the record is inserted. */
export let until: u32 = 0;

let pairs: usize = 0;
let pairCount: u32 = 0;
let lastCie: u32 = 0;

export function openEhUnit(): void {
  old = newEhSection();
  fresh = newEhSection();
  oldRecord = newEhRecord();
  freshRecord = newEhRecord();
  pairs = alloc((<usize>CIE_PAIRS) << 3);
}

/** Sets both sections; building, the new bytes are at `source`. */
export function setEhUnit(
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
  if (oldBytes > MAX_EH_SECTION || freshBytes > MAX_EH_SECTION) fail(Fault.BAD_FORMAT, freshOffset);
  const wordBytes: u32 = oldImage.is64 ? 8 : 4;
  setEhSection(old, oldOffset, oldBytes, oldAddress, wordBytes, 0);
  setEhSection(fresh, freshOffset, freshBytes, address, wordBytes, source);
}

export function rewindEhUnit(): void {
  done = 0;
  pairCount = lastCie = 0;
}

/** Goes to the next record: building, reads it. */
export function nextEhRecord(): void {
  if (encoding && !readEhRecord(fresh, done, freshRecord)) fail(Fault.BAD_FORMAT, done);
}

/** Address of the next record. */
@inline
export function freshAddress(): u32 {
  return fresh.address + done;
}

/** Building: where the next record's bytes are. */
@inline
export function freshSource(): usize {
  return fresh.memory + <usize>done;
}

/** Makes the template of the next record, told by `oldRecord`. */
export function makeTemplate(isInserted: bool): void {
  copyTemplate(old, oldRecord);
  until = 0;
  if (oldRecord.kind !== EhKind.FDE) return;
  let start = predictStart(oldRecord);
  if (isInserted) {
    until = start;
    start = predictInserted();
  }
  predictHead(done + CIE_AT - newCieOf(oldRecord.cie), start, freshAddress());
  completeTemplate(start, isInserted);
}

/** Predicts what follows from the first address `start`. */
@inline
export function completeTemplate(start: u32, isInserted: bool): void {
  predictTail(oldRecord, old.address + oldRecord.at, start, freshAddress(), isInserted, until);
}

/** The place of the new CIE for an old one's. */
function newCieOf(cie: u32): u32 {
  for (let i: u32 = 0; i < min(pairCount, CIE_PAIRS); i++) {
    const pair = pairs + ((<usize>i) << 3);
    if (load<u32>(pair) === cie) return load<u32>(pair, 4);
  }
  return lastCie;
}

/** The next record is a CIE. */
export function noteCie(): void {
  lastCie = done;
  if (oldRecord.kind !== EhKind.CIE) return;
  const pair = pairs + ((<usize>(pairCount++ & (CIE_PAIRS - 1))) << 3);
  store<u32>(pair, oldRecord.at);
  store<u32>(pair, done, 4);
}

/** The next record is coded. */
export function passRecord(bytes: u32): void {
  done += bytes;
}
