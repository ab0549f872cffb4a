// Building: which old record a new one is told by.

import { mapAddress } from '../map/map';
import { alloc } from '../memory';
import { ehRecordCount, readEhRecordOf } from './eh-index';
import { NO_RECORD } from './eh-places';
import { EhKind, EhRecord, newEhRecord } from './eh-records';
import { DATA_AT, template, templateBytes } from './eh-template';
import { freshRecord, freshSource, makeTemplate, oldRecord } from './eh-unit';
import { sortWords } from './sort-words';

/** About the bits of naming a record, and of a byte that is not as predicted. */
const NEXT_COST: u32 = 1;
const FOUND_COST: u32 = 7;
const JUMP_COST: u32 = 13;
const HEAD_COST: u32 = 8;
const TAIL_COST: u32 = 6;
const KIND_COST: u32 = 64;
/** Bytes past the template's end that count: the rest is cheap. */
const MAX_LONGER: u32 = 32;

/** Keys of records without a function. */
const CIE_KEY: u32 = 0xfffffffe;
const END_KEY: u32 = 0xffffffff;

/** u64, ascending: mapped first address or key, then the record's index in the low half. */
let sorted: usize = 0;

/** Sorts the old records; allocates 8 bytes for each. */
export function openEhChoice(): void {
  sorted = alloc((<usize>ehRecordCount) << 3);
  const record = newEhRecord();
  for (let i: u32 = 0; i < ehRecordCount; i++) {
    readEhRecordOf(i, record);
    const start = record.kind === EhKind.FDE ? mapAddress(record.start) : 0;
    store<u64>(sorted + ((<usize>i) << 3), ((<u64>keyOf(record, start)) << 32) | i);
  }
  sortWords(sorted, ehRecordCount);
}

function keyOf(record: EhRecord, start: u32): u32 {
  if (record.kind === EhKind.FDE) return start;
  return record.kind === EhKind.CIE ? CIE_KEY : END_KEY;
}

/**
 * The cheapest old record to tell the next one by: `next` (unless the old ones are at their end), `found`,
 * or its counterpart; NO_RECORD when it is best told as a new one.
 */
export function chooseRecord(next: u32, found: u32): u32 {
  let best = NO_RECORD;
  let bestCost: u32 = 0xffffffff;
  if (next < ehRecordCount) {
    bestCost = costOf(next, false);
    if (bestCost === 0) return next;
    best = next;
    bestCost += NEXT_COST;
  }
  if (found !== NO_RECORD) {
    const cost = FOUND_COST + costOf(found, false);
    if (cost < bestCost) {
      best = found;
      bestCost = cost;
    }
  }
  const counterpart = findCounterpart(next);
  if (counterpart !== NO_RECORD && counterpart !== next && counterpart !== found) {
    const cost = JUMP_COST + costOf(counterpart, false);
    if (cost < bestCost) {
      best = counterpart;
      bestCost = cost;
    }
  }
  return costOf(min(next, ehRecordCount - 1), true) < bestCost ? NO_RECORD : best;
}

/** The old record nearest to `index` whose function is mapped to where the next record's is. */
function findCounterpart(index: u32): u32 {
  const key = keyOf(freshRecord, freshRecord.start);
  const wanted = ((<u64>key) << 32) | index;
  let low: u32 = 0;
  let high = ehRecordCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<u64>(sorted + ((<usize>middle) << 3)) < wanted) low = middle + 1;
    else high = middle;
  }
  const after = low < ehRecordCount ? indexAt(low, key) : NO_RECORD;
  const before = low > 0 ? indexAt(low - 1, key) : NO_RECORD;
  if (before === NO_RECORD) return after;
  return after !== NO_RECORD && after - index <= index - before ? after : before;
}

function indexAt(place: u32, key: u32): u32 {
  const word = load<u64>(sorted + ((<usize>place) << 3));
  return <u32>(word >> 32) === key ? <u32>word : NO_RECORD;
}

/** About the bits that coding the next record's bytes by an old record takes. */
function costOf(index: u32, isInserted: bool): u32 {
  readEhRecordOf(index, oldRecord);
  makeTemplate(isInserted);
  const source = freshSource();
  const common = min(templateBytes, freshRecord.bytes);
  let cost: u32 = oldRecord.kind === freshRecord.kind ? 0 : KIND_COST;
  for (let i: u32 = 0; i < common; i++) {
    if (load<u8>(source + i) === load<u8>(template + i)) continue;
    cost += i < DATA_AT ? HEAD_COST : TAIL_COST;
  }
  return cost + min(freshRecord.bytes - common, MAX_LONGER) * TAIL_COST;
}
