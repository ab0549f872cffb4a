// The record that is predicted: an old one with its fields put where the blocks say.

import { predictTarget } from '../learn/targets';
import { mapAddress, mapTrust } from '../map/map';
import { alloc, copyFew } from '../memory';
import { factorOf, lsdaBytesOf } from './eh-cie';
import { predictStart } from './eh-places';
import { EhRecord, EhSection, MAX_RECORD, viewEh } from './eh-records';

/**
 * Places in a record that describes code: the distance to its CIE, first address, bytes of code, bytes of
 * augmentation data, and those (the address of language-specific data).
 */
export const CIE_AT: u32 = 4;
export const START_AT: u32 = 8;
export const RANGE_AT: u32 = 12;
export const AUGMENTATION_AT: u32 = 16;
export const DATA_AT: u32 = 17;

const MAX_RANGE: u32 = 1 << 28;
const MAX_INSERTED: u32 = 1 << 16;

/** The predicted record, and its bytes. */
export let template: usize = 0;
export let templateBytes: u32 = 0;
/** How far {@link predictTail} changed it: advances that differ, up to 3, and 4 if the range does, 8 by much. */
export let tailChanges: u32 = 0;
/** How unsure the map is at the function's first and last byte (see map.ts). */
export let startTrust: u32 = 0;
export let endTrust: u32 = 0;

export function openEhTemplate(): void {
  template = alloc(<usize>MAX_RECORD + 16);
}

/** Begins with the old record as it is. */
@inline
export function copyTemplate(section: EhSection, record: EhRecord): void {
  templateBytes = record.bytes;
  copyFew(template, viewEh(section, record.at, record.bytes), record.bytes);
  tailChanges = startTrust = endTrust = 0;
}

/** Puts the CIE, `cieBack` bytes before the field, and the first address, relative to its place. */
export function predictHead(cieBack: u32, start: u32, address: u32): void {
  store<u32>(template, cieBack, CIE_AT);
  store<u32>(template, start - (address + START_AT), START_AT);
}

/**
 * Predicts what follows from the first address `start` of a record at `address`; `oldAddress` is that of
 * the old record. The code of an inserted record is nowhere in the old file: its advances stay, and it may reach up to
 * `until`, where the next one is predicted.
 */
export function predictTail(
  record: EhRecord,
  oldAddress: u32,
  start: u32,
  address: u32,
  isInserted: bool,
  until: u32,
): void {
  mapAddress(record.start);
  startTrust = mapTrust;
  const shift = isInserted ? 0 : start - predictStart(record);
  let range = record.range;
  if (!isInserted) {
    range = mapAddress(record.start + record.range - 1) + 1 + shift - start;
    endTrust = mapTrust;
    if (range === 0 || range > MAX_RANGE) range = record.range;
  } else if (until > start && until - start < MAX_INSERTED) {
    range = until - start;
  }
  store<u32>(template, range, RANGE_AT);
  const difference = range > record.range ? range - record.range : record.range - range;
  tailChanges = difference === 0 ? 0 : difference < 64 ? 4 : 8;
  const z = predictLsda(record, oldAddress, address);
  if (!isInserted) tailChanges += predictAdvances(record, z, start, shift);
}

/** The address of language-specific data; returns where the program begins. */
function predictLsda(record: EhRecord, oldAddress: u32, address: u32): u32 {
  const augmentation = <u32>load<u8>(template, AUGMENTATION_AT);
  const bytes = lsdaBytesOf(record.facts);
  if (bytes > 0 && augmentation >= bytes && templateBytes >= DATA_AT + bytes) {
    const distance = load<u32>(template, DATA_AT);
    if (distance !== 0) {
      const target = predictTarget(oldAddress + DATA_AT + distance);
      const moved = <i32>(target - (address + DATA_AT));
      if (bytes === 4) store<i32>(template, moved, DATA_AT);
      else store<i64>(template, moved, DATA_AT);
    }
  }
  return DATA_AT + augmentation;
}

/** Maps both ends of each advance of the program from `z` on; returns how many differ, up to 3. */
function predictAdvances(record: EhRecord, z: u32, start: u32, shift: u32): u32 {
  const factor = factorOf(record.facts);
  let from = record.start;
  let to = start;
  let changes: u32 = 0;
  while (z < templateBytes) {
    const operation = <u32>load<u8>(template + z);
    const bytes = advanceBytes(operation);
    if (bytes === NO_ADVANCE) {
      z = afterOperation(z);
      continue;
    }
    if (bytes >= templateBytes - z) break;
    const mask: u32 = bytes === 0 ? 63 : bytes === 4 ? 0x7fffffff : (1 << (8 * bytes)) - 1;
    const at = template + z + (bytes > 0 ? 1 : 0);
    const known =
      (bytes === 4 ? load<u32>(at) : bytes === 2 ? <u32>load<u16>(at) : <u32>load<u8>(at)) & mask;
    from += known * factor;
    const mapped = mapAddress(from) + shift;
    let steps = <i32>(mapped - to) > 0 ? (mapped - to) / factor : 0;
    if (steps === 0 || steps > mask) {
      steps = known;
      to += known * factor;
    } else {
      to = mapped;
    }
    if (bytes === 0) store<u8>(at, (operation & 0xc0) | steps);
    else if (bytes === 1) store<u8>(at, steps);
    else if (bytes === 2) store<u16>(at, steps);
    else store<u32>(at, steps);
    if (steps !== known) changes++;
    z += 1 + bytes;
  }
  return min(changes, 3);
}

const NO_ADVANCE: u32 = 0xff;

/** Bytes of an advance's operand, 0 when it is within the operation. */
function advanceBytes(operation: u32): u32 {
  if ((operation & 0xc0) === 0x40) return 0;
  return operation === 2 ? 1 : operation === 3 ? 2 : operation === 4 ? 4 : NO_ADVANCE;
}

/** Where the operation after the one at `z` begins (DWARF 5, 7.24), perhaps past the end. */
@inline
function afterOperation(z: u32): u32 {
  const operation = <u32>load<u8>(template + z++);
  if (operation >= 0x40) return (operation & 0xc0) === 0x80 ? afterNumber(z) : z;
  switch (operation) {
    case 0x05:
    case 0x09:
    case 0x0c:
    case 0x11:
    case 0x12:
    case 0x14:
    case 0x15:
      return afterNumber(afterNumber(z));
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x0d:
    case 0x0e:
    case 0x13:
    case 0x2e:
      return afterNumber(z);
    case 0x0f:
      return afterBlock(z);
    case 0x10:
    case 0x16:
      return afterBlock(afterNumber(z));
    default:
      return z;
  }
}

function afterNumber(z: u32): u32 {
  while (z < templateBytes && load<u8>(template + z) & 0x80) z++;
  return z + 1;
}

/** After a length in LEB128 and as many bytes. */
function afterBlock(z: u32): u32 {
  let length: u32 = 0;
  for (let shift: u32 = 0; z < templateBytes && shift < 28; shift += 7) {
    const byte = <u32>load<u8>(template + z++);
    length |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return z + length;
}
