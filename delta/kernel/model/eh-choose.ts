// Building: which old record a new one is told by.

import { mapAddress } from '../map/map';
import { alloc } from '../memory';
import { ehRecordCount, readEhRecordOf } from './eh-index';
import { NO_RECORD } from './eh-places';
import { EhKind, EhRecord, newEhRecord } from './eh-records';
import { sortWords } from './sort-words';

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
    const key = record.kind === EhKind.FDE ? mapAddress(record.start) : keyOf(record);
    store<u64>(sorted + ((<usize>i) << 3), ((<u64>key) << 32) | i);
  }
  sortWords(sorted, ehRecordCount);
}

function keyOf(record: EhRecord): u32 {
  return record.kind === EhKind.FDE ? record.start : record.kind === EhKind.CIE ? CIE_KEY : END_KEY;
}

/** The old record nearest to `index` that is what the new record is; NO_RECORD when none is. */
export function findCounterpart(record: EhRecord, index: u32): u32 {
  const key = keyOf(record);
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
