// Where old functions begin now (CODING.md, "Call frame records": runs).

import type { BlockMap, Place } from './block-map.ts';
import { EhKind, type EhRecord, type EhRecords } from './eh-records.ts';
import type { Targets } from './targets.ts';
import { u32 } from './word.ts';

const RUNS = 4;
const GAP = 32;
const REACH = 64;
const MAX_SEARCHES = 32768;

export class EhPlaces {
  readonly #map: BlockMap;
  readonly #targets: Targets;
  /** Ends of the last functions, one for each run, the latest first. */
  #ends: number[] = [0, 0, 0, 0];
  #isAligned = false;
  #searches = 0;

  constructor(map: BlockMap, targets: Targets) {
    this.#map = map;
    this.#targets = targets;
  }

  /** Which run a function that begins at `start` goes on; RUNS if none. */
  runAt(start: number): number {
    const run = this.#ends.findIndex((end) => u32(start - end) < GAP);
    return run < 0 ? RUNS : run;
  }

  /** The new first address of an old function; the trust is the map's. */
  start(record: EhRecord): Place {
    const mapped = this.#map.address(record.start);
    if (this.runAt(mapped.address) < RUNS) return mapped;
    return { address: this.#targets.predict(record.start).target, trust: mapped.trust };
  }

  /** The first address of a function that the old file does not have. */
  insertedStart(): number {
    const [end = 0] = this.#ends;
    return this.#isAligned ? u32((end + 15) & ~15) : end;
  }

  /** Learns that a function of `range` bytes begins at `start`. */
  note(start: number, range: number): void {
    const run = this.runAt(start);
    const end = this.#ends[run];
    if (end !== undefined && (end & 15) !== 0) this.#isAligned = start !== end;
    this.#ends.splice(Math.min(run, RUNS - 1), 1);
    this.#ends.unshift(u32(start + range));
  }

  /** The record near `index` whose function goes on a later run than `than`. */
  successor(records: EhRecords, index: number, than: number): number | undefined {
    if (this.#searches === MAX_SEARCHES) return undefined;
    this.#searches++;
    let best: number | undefined;
    let bestCost = RUNS * REACH * 2;
    const end = Math.min(records.count, index + REACH + 1);
    for (let i = Math.max(0, index - REACH); i < end; i++) {
      if (i === index) continue;
      const record = records.get(i);
      if (record.kind !== EhKind.fde) continue;
      const run = this.runAt(this.#map.address(record.start).address);
      const distance = i < index ? 2 * (index - i) + 1 : 2 * (i - index);
      const cost = run * REACH * 2 + distance;
      if (run >= than || cost >= bestCost) continue;
      best = i;
      bestCost = cost;
    }
    return best;
  }
}
