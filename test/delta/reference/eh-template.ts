// The predicted record: an old one with its fields put where the blocks say.

import type { BlockMap } from './block-map.ts';
import { Bytes } from './bytes.ts';
import type { EhPlaces } from './eh-places.ts';
import {
  AUGMENTATION_AT,
  CIE_AT,
  DATA_AT,
  type EhRecord,
  RANGE_AT,
  START_AT,
} from './eh-records.ts';
import type { Targets } from './targets.ts';
import { product, u32 } from './word.ts';

const MAX_RANGE = 1 << 28;
const MAX_INSERTED = 1 << 16;

export class EhTemplate {
  readonly bytes: Bytes;
  /** Advances that differ from the old ones, up to 3; 4 more if the range does, 8 if by 64 or more. */
  changes = 0;
  startTrust = 0;
  endTrust = 0;
  readonly #record: EhRecord;

  /** Begins with the old record as it is. */
  constructor(record: EhRecord) {
    this.#record = record;
    this.bytes = record.bytes.copy(0, record.bytes.length);
  }

  byte(at: number): number {
    return this.bytes.array[at] ?? 0;
  }

  predictHead(cieBack: number, start: number, address: number): void {
    this.bytes.setU32(CIE_AT, u32(cieBack));
    this.bytes.setU32(START_AT, u32(start - (address + START_AT)));
  }

  /** What follows from the first address `start` of a record at `address`. */
  predictTail(
    models: { readonly map: BlockMap; readonly targets: Targets; readonly places: EhPlaces },
    start: number,
    address: number,
    inserted: { readonly until: number } | undefined,
  ): void {
    const { map, targets, places } = models;
    const record = this.#record;
    this.startTrust = map.address(record.start).trust;
    let { range } = record;
    let shift = 0;
    if (inserted) {
      const { until } = inserted;
      if (until > start && until - start < MAX_INSERTED) range = until - start;
    } else {
      shift = start - places.start(record).address;
      const last = map.address(u32(record.start + record.range - 1));
      this.endTrust = last.trust;
      const mapped = u32(last.address + 1 + shift - start);
      if (mapped !== 0 && mapped <= MAX_RANGE) range = mapped;
    }
    this.bytes.setU32(RANGE_AT, range);
    const difference = Math.abs(range - record.range);
    this.changes = difference === 0 ? 0 : difference < 64 ? 4 : 8;
    this.#predictLsda(targets, address);
    if (!inserted) this.changes += Math.min(this.#predictAdvances(map, start, shift), 3);
  }

  /** The address of language-specific data. */
  #predictLsda(targets: Targets, address: number): void {
    const { lsdaBytes } = this.#record.facts;
    const hasRoom = this.byte(AUGMENTATION_AT) >= lsdaBytes;
    if (lsdaBytes === 0 || !hasRoom || this.bytes.length < DATA_AT + lsdaBytes) return;
    const distance = this.bytes.u32(DATA_AT);
    if (distance === 0) return;
    const { target } = targets.predict(u32(this.#record.address + DATA_AT + distance));
    const moved = (target - (address + DATA_AT)) | 0;
    if (lsdaBytes === 4) this.bytes.setU32(DATA_AT, u32(moved));
    else this.bytes.setU64(DATA_AT, BigInt.asUintN(64, BigInt(moved)));
  }

  /** Maps both ends of each advance; returns how many differ. */
  #predictAdvances(map: BlockMap, start: number, shift: number): number {
    const { factor } = this.#record.facts;
    let at = DATA_AT + this.byte(AUGMENTATION_AT);
    let from = this.#record.start;
    let to = start;
    let changes = 0;
    while (at < this.bytes.length) {
      const operand = advanceBytes(this.byte(at));
      if (operand === undefined) {
        at = afterOperation(this.bytes.array, at);
        continue;
      }
      if (operand >= this.bytes.length - at) break;
      const known = this.#advance(at, operand);
      const most = operand === 0 ? 63 : operand === 4 ? 0x7fffffff : 2 ** (8 * operand) - 1;
      from = u32(from + product(known, factor));
      const mapped = u32(map.address(from).address + shift);
      const distance = (mapped - to) | 0;
      let steps = distance > 0 ? Math.floor(distance / factor) : 0;
      if (steps === 0 || steps > most) {
        steps = known;
        to = u32(to + product(known, factor));
      } else to = mapped;
      this.#setAdvance(at, operand, steps);
      if (steps !== known) changes++;
      at += 1 + operand;
    }
    return changes;
  }

  #advance(at: number, operand: number): number {
    if (operand === 0) return this.byte(at) & 63;
    if (operand === 1) return this.byte(at + 1);
    return operand === 2 ? this.bytes.u16(at + 1) : this.bytes.u32(at + 1) & 0x7fffffff;
  }

  #setAdvance(at: number, operand: number, steps: number): void {
    if (operand === 0) this.bytes.setU8(at, (this.byte(at) & 0xc0) | steps);
    else if (operand === 1) this.bytes.setU8(at + 1, steps);
    else if (operand === 2) this.bytes.setU16(at + 1, steps);
    else this.bytes.setU32(at + 1, steps);
  }
}

/** Bytes of an advance's operand, 0 when it is within the operation; undefined for other operations. */
function advanceBytes(operation: number): number | undefined {
  if ((operation & 0xc0) === 0x40) return 0;
  return new Map([
    [2, 1],
    [3, 2],
    [4, 4],
  ]).get(operation);
}

const TWO_NUMBERS = [0x05, 0x09, 0x0c, 0x11, 0x12, 0x14, 0x15];
const ONE_NUMBER = [0x06, 0x07, 0x08, 0x0d, 0x0e, 0x13, 0x2e];

/** Where the operation after the one at `at` begins (DWARF 5, 7.24). */
function afterOperation(bytes: Uint8Array, at: number): number {
  const operation = bytes[at] ?? 0;
  const next = at + 1;
  if (operation >= 0x40) return (operation & 0xc0) === 0x80 ? afterNumber(bytes, next) : next;
  if (TWO_NUMBERS.includes(operation)) return afterNumber(bytes, afterNumber(bytes, next));
  if (ONE_NUMBER.includes(operation)) return afterNumber(bytes, next);
  if (operation === 0x0f) return afterBlock(bytes, next);
  const hasBlock = operation === 0x10 || operation === 0x16;
  return hasBlock ? afterBlock(bytes, afterNumber(bytes, next)) : next;
}

function afterNumber(bytes: Uint8Array, at: number): number {
  let end = at;
  while ((bytes[end] ?? 0) >= 0x80) end++;
  return end + 1;
}

/** After a length in LEB128, of 28 bits at most, and as many bytes. */
function afterBlock(bytes: Uint8Array, at: number): number {
  let end = at;
  let length = 0;
  for (let shift = 0; end < bytes.length && shift < 28; shift += 7) {
    const byte = bytes[end++] ?? 0;
    length |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return end + length;
}
