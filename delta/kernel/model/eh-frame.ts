// The new .eh_frame, coded record by record: each is told by an old one, and is as predicted from it or
// else coded byte by byte.
//
// Nothing outside of these modules is learned, so that applying can make the records twice: once for the
// table of .eh_frame_hdr, which comes before them, and once for themselves.

import { encoding } from '../code/arith';
import { Image, NO_PLACE } from '../elf/image';
import { fail, Fault } from '../fail';
import { alloc, copyFew } from '../memory';
import { codeEhBytes } from './eh-bytes';
import { openEhChoice } from './eh-choose';
import { codeEhFlag, EhFlag, openEhCode, resetEhCode } from './eh-code';
import { lsdaBytesOf } from './eh-cie';
import { ehRecordCount, indexEhRecords } from './eh-index';
import { codeEhName, EhMode, resetEhNames } from './eh-name';
import { noteFunction, openEhPlaces, resetEhPlaces } from './eh-places';
import { EhKind, MAX_RECORD, openEhRecords } from './eh-records';
import {
  AUGMENTATION_AT,
  CIE_AT,
  endTrust,
  openEhTemplate,
  RANGE_AT,
  START_AT,
  startTrust,
  tailChanges,
  template,
  templateBytes,
} from './eh-template';
import {
  done,
  fresh,
  freshAddress,
  freshRecord,
  freshSource,
  makeTemplate,
  nextEhRecord,
  noteCie,
  old,
  oldRecord,
  openEhUnit,
  passRecord,
  rewindEhUnit,
  setEhUnit,
} from './eh-unit';

/** Instead of changes: the record describes no code. */
const NO_FUNCTION: u32 = 12;
/** The last bytes of the record before stand before the next one. */
const KEPT: usize = 8;

let buffer: usize = 0;
/** A bit for each record that was not as predicted, the latest lowest. */
let misses: u32 = 0;

/** The last coded record. */
export let ehRecord: usize = 0;
/** If it describes code, its first address; else NO_PLACE. */
export let ehRecordStart: u32 = 0;

/** Allocates what all units of a session use: about 0.8 MB. */
export function openEhFrame(): void {
  openEhRecords();
  openEhPlaces();
  openEhTemplate();
  openEhCode();
  openEhUnit();
  buffer = alloc(KEPT + <usize>MAX_RECORD);
  ehRecord = buffer + KEPT;
}

/**
 * Begins the unit that makes `freshBytes` new bytes from `freshOffset`, in `image`, of old bytes in
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
  setEhUnit(oldImage, oldOffset, oldBytes, image, freshOffset, freshBytes, source);
  indexEhRecords(old);
  if (ehRecordCount === 0) fail(Fault.BAD_FORMAT, oldOffset);
  if (encoding) openEhChoice();
  rewindEhFrame();
}

/** Forgets what was coded since the unit began. */
export function rewindEhFrame(): void {
  resetEhCode();
  resetEhPlaces();
  resetEhNames();
  rewindEhUnit();
  memory.fill(buffer, 0, KEPT);
  misses = 0;
}

/** Codes the next record; returns its bytes, which are at {@link ehRecord}. There must be one left. */
export function codeEhRecord(): u32 {
  const room = fresh.bytes - done;
  nextEhRecord();
  const mode = codeEhName();
  makeTemplate(mode === EhMode.INSERTED);
  let bytes = templateBytes;
  if (codeSame(mode)) {
    if (bytes > room) fail(Fault.BAD_FORMAT, done);
    copyFew(ehRecord, template, bytes);
  } else {
    bytes = codeEhBytes(ehRecord, room, mode === EhMode.INSERTED);
  }
  note(bytes);
  return bytes;
}

/** Codes whether the record is as predicted. */
function codeSame(mode: EhMode): bool {
  const isFunction = oldRecord.kind === EhKind.FDE;
  const kind: u32 = !isFunction ? 0 : lsdaBytesOf(oldRecord.facts) === 0 ? 1 : 2;
  const isSame =
    encoding &&
    freshRecord.bytes === templateBytes &&
    memory.compare(freshSource(), template, templateBytes) === 0;
  const changes = isFunction ? tailChanges : NO_FUNCTION;
  const size = 32 - clz(templateBytes);
  const trust = ((startTrust + 1) >>> 1) * 5 + ((endTrust + 1) >>> 1);
  const flag = EhFlag.SAME + kind * 4 + mode;
  const same = codeEhFlag(isSame ? 1 : 0, flag, misses, changes, size, trust);
  misses = (misses << 1) | (same ^ 1);
  return same !== 0;
}

/** Learns the record of `bytes` bytes that was made. */
function note(bytes: u32): void {
  ehRecordStart = NO_PLACE;
  if (bytes > AUGMENTATION_AT && load<u32>(ehRecord, CIE_AT) !== 0) {
    ehRecordStart = freshAddress() + START_AT + load<u32>(ehRecord, START_AT);
    noteFunction(ehRecordStart, load<u32>(ehRecord, RANGE_AT));
  } else if (bytes > 4) {
    noteCie();
  }
  passRecord(bytes);
  store<u64>(buffer, load<u64>(ehRecord + bytes - KEPT));
}
