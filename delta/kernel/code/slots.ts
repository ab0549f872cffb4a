// Context mixing, first half: what each context has seen. Every context of a decision finds a slot with a
// probability by its hash; a map refines it by how often the slot was there before.
//
// Slots: 4 bytes each, probability of 1 (16 bits), count (8), check (8); buckets of two.

import { alloc } from '../memory';
import { squash, stretchTable } from './squash';

/** What a mixer weighs: two numbers of each context, 16 bits each. */
const MAX_INPUTS: usize = 64;
/** Contexts of a mixer, at most; their number is rounded up to a multiple of four here. */
const MAX_CONTEXTS: usize = 32;
/** Of a slot that was just made: p = 1/2, never seen. */
const UNSEEN: i32 = 32768;
const COUNT: i32 = 0xff0000;
const STEP: u32 = 0x9e3779b1;
const FACTOR: u32 = 0x85ebca6b;
const SALT: u32 = 0xd6e8feb9;
const MAP_ROWS: u32 = 9;
const MAP_COLUMNS: u32 = 40;
const MAP_BYTES: usize = 9 * 40 * 2;
const MAP_RATE: i32 = 6;

/** i16: stretched probability of each context, then what its map makes of it, then what {@link endInputs} adds. */
export const inputs: usize = memory.data(128, 16);
/** Bucket, then address, of each context's slot. */
const places: usize = memory.data(128, 16);
/** Check, then content, of each context's slot. */
const found: usize = memory.data(128, 16);
/** Address of each context's place in its map. */
const mapped: usize = memory.data(128, 16);
/** 65536 / (n + 1.6) for each count. */
const rates: usize = memory.data(1024, 16);

/** Fills the tables of all slots; call it once in a session, after openSquash. */
export function openSlots(): void {
  for (let n: i32 = 0; n < 256; n++) store<i32>(rates + (<usize>n << 2), 655360 / (10 * n + 16));
}

@unmanaged
export class Slots {
  /** u32 for each context: filled by the caller before each decision. */
  hashes: usize;
  contexts: u32;
  /** Number of buckets - 1. */
  mask: u32;
  buckets: usize;
  maps: usize;
  /** The highest count of a slot. */
  limit: u32;

  @inline
  setHash(index: u32, value: u32): void {
    store<u32>(this.hashes + (<usize>index << 2), value);
  }

  /** As {@link setHash}, for a context that the next decision's `salt` is not to be mixed into. */
  @inline
  setSteady(index: u32, value: u32, salt: u32): void {
    this.setHash(index, value - salt * SALT);
  }

  /** Room for `contexts` contexts, 31 at most, and 2^`tableBits` slots. */
  openSlots(contexts: u32, tableBits: u32, limit: u32): void {
    this.contexts = contexts;
    this.hashes = alloc(MAX_CONTEXTS << 2);
    this.mask = (1 << (tableBits - 1)) - 1;
    this.buckets = alloc(<usize>4 << tableBits);
    this.maps = alloc(<usize>((contexts + 3) & ~3) * MAP_BYTES);
    this.limit = limit;
  }

  /** Forgets everything. */
  resetSlots(): void {
    memory.fill(this.buckets, 0, (<usize>this.mask + 1) << 3);
    for (let row: u32 = 0; row < MAP_ROWS; row++) {
      for (let column: u32 = 0; column < MAP_COLUMNS; column++) {
        const middle = ((<i32>column - 19) * 512 + 256) / 4;
        const sure = row === 0 ? 0 : row < 4 ? (middle * (<i32>row + 3)) / 8 : middle;
        store<u16>(
          this.maps + <usize>((row * MAP_COLUMNS + column) << 1),
          <u16>(squash(sure) >> 4),
        );
      }
    }
    for (let i: usize = 1; i < <usize>this.contexts; i++) {
      memory.copy(this.maps + i * MAP_BYTES, this.maps, MAP_BYTES);
    }
  }

  /** Finds or makes the slot of every context, and fills {@link inputs}. */
  @inline
  find(salt: u32): void {
    const end = <usize>this.contexts << 2;
    this.place(end, salt);
    this.choose(end);
    const second = inputs + (end >> 1);
    for (let i: usize = 0; i < end; i += 16) {
      let s = i16x8.splat(0);
      s = v128.load16_lane(stretchOfMapped(i), s, 0);
      s = v128.load16_lane(stretchOfMapped(i + 4), s, 1);
      s = v128.load16_lane(stretchOfMapped(i + 8), s, 2);
      s = v128.load16_lane(stretchOfMapped(i + 12), s, 3);
      v128.store64_lane(second + (i >> 1), s, 0);
    }
  }

  /** Bucket and check of every context's hash. */
  @inline
  private place(end: usize, salt: u32): void {
    const hashes = this.hashes;
    const salts = i32x4.splat(<i32>(salt * SALT));
    let steps = i32x4(0, <i32>STEP, <i32>(STEP * 2), <i32>(STEP * 3));
    const mask = i32x4.splat(<i32>this.mask);
    for (let i: usize = 0; i < end; i += 16) {
      let k = i32x4.add(i32x4.add(v128.load(hashes + i), steps), salts);
      k = i32x4.mul(k, i32x4.splat(<i32>FACTOR));
      k = v128.xor(k, i32x4.shr_u(k, 15));
      v128.store(found + i, i32x4.max_u(i32x4.shr_u(k, 24), i32x4.splat(1)));
      v128.store(places + i, v128.and(v128.xor(k, i32x4.shr_u(k, 9)), mask));
      steps = i32x4.add(steps, i32x4.splat(<i32>(STEP * 4)));
    }
  }

  /** The slots, four contexts at a time: their addresses, contents, first inputs and places in the maps. */
  @inline
  private choose(end: usize): void {
    const buckets = this.buckets;
    const maps = this.maps;
    let bases = i32x4(
      <i32>maps,
      <i32>(maps + MAP_BYTES),
      <i32>(maps + 2 * MAP_BYTES),
      <i32>(maps + 3 * MAP_BYTES),
    );
    for (let i: usize = 0; i < end; i += 16) {
      const check = v128.load(found + i);
      const bucket = i32x4.add(i32x4.shl(v128.load(places + i), 3), i32x4.splat(<i32>buckets));
      let low = v128.load64_zero(<usize>i32x4.extract_lane(bucket, 0));
      low = v128.load64_lane(<usize>i32x4.extract_lane(bucket, 1), low, 1);
      let high = v128.load64_zero(<usize>i32x4.extract_lane(bucket, 2));
      high = v128.load64_lane(<usize>i32x4.extract_lane(bucket, 3), high, 1);
      const first = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
      const second = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
      const isFirst = i32x4.eq(i32x4.shr_u(first, 24), check);
      const isThere = v128.or(isFirst, i32x4.eq(i32x4.shr_u(second, 24), check));
      // A new one takes the place of the one that was seen less.
      const counts = i32x4.splat(COUNT);
      const isLess = i32x4.le_u(
        i32x4.add(v128.and(first, counts), v128.and(check, i32x4.splat(1))),
        v128.and(second, counts),
      );
      const fresh = v128.or(i32x4.shl(check, 24), i32x4.splat(UNSEEN));
      const slot = v128.bitselect(v128.bitselect(first, second, isFirst), fresh, isThere);
      const takesFirst = v128.bitselect(isFirst, isLess, isThere);
      v128.store(places + i, i32x4.add(bucket, v128.andnot(i32x4.splat(4), takesFirst)));
      v128.store(found + i, slot);

      const p = i32x4.shl(i32x4.shr_u(i32x4.shl(slot, 16), 20), 1);
      const tables = i32x4.add(p, i32x4.splat(<i32>stretchTable));
      let s = i16x8.splat(0);
      s = v128.load16_lane(<usize>i32x4.extract_lane(tables, 0), s, 0);
      s = v128.load16_lane(<usize>i32x4.extract_lane(tables, 1), s, 1);
      s = v128.load16_lane(<usize>i32x4.extract_lane(tables, 2), s, 2);
      s = v128.load16_lane(<usize>i32x4.extract_lane(tables, 3), s, 3);
      v128.store64_lane(inputs + (i >> 1), s, 0);
      const column = i32x4.shr_s(
        i32x4.add(i32x4.extend_low_i16x8_s(s), i32x4.splat(9728)),
        9,
      );
      const row = rowsOf(v128.and(i32x4.shr_u(slot, 16), i32x4.splat(255)));
      const step = i32x4.add(i32x4.add(i32x4.shl(row, 5), i32x4.shl(row, 3)), column);
      v128.store(mapped + i, i32x4.add(bases, i32x4.shl(step, 1)));
      bases = i32x4.add(bases, i32x4.splat(<i32>(4 * MAP_BYTES)));
    }
  }

  /** The decision was `bit`. */
  @inline
  learnSlots(bit: u32): void {
    const end = <usize>this.contexts << 2;
    const goal = bit ? 65535 : 0;
    const goals = i32x4.splat(goal);
    const limit = i32x4.splat(<i32>this.limit);
    for (let i: usize = 0; i < end; i += 16) {
      const slot = v128.load(found + i);
      const count = v128.and(i32x4.shr_u(slot, 16), i32x4.splat(255));
      const p = v128.and(slot, i32x4.splat(0xffff));
      const tables = i32x4.add(i32x4.shl(count, 2), i32x4.splat(<i32>rates));
      let rate = v128.load32_zero(<usize>i32x4.extract_lane(tables, 0));
      rate = v128.load32_lane(<usize>i32x4.extract_lane(tables, 1), rate, 1);
      rate = v128.load32_lane(<usize>i32x4.extract_lane(tables, 2), rate, 2);
      rate = v128.load32_lane(<usize>i32x4.extract_lane(tables, 3), rate, 3);
      const change = i32x4.shr_s(i32x4.mul(i32x4.sub(goals, p), rate), 16);
      const next = i32x4.sub(count, i32x4.lt_s(count, limit));
      const checks = v128.and(slot, i32x4.splat(<i32>0xff000000));
      const learned = v128.or(v128.or(checks, i32x4.shl(next, 16)), i32x4.add(p, change));
      v128.store(found + i, learned);
    }
    for (let i: usize = 0; i < end; i += 4) {
      store<u32>(<usize>load<u32>(places + i), load<u32>(found + i));
      const map = <usize>load<u32>(mapped + i);
      const q = <i32>load<u16>(map);
      store<u16>(map, <u16>(q + ((goal - q) >> MAP_RATE)));
    }
  }
}

/** Where the stretched probability is that the map has for the context at byte `i`. */
@inline
function stretchOfMapped(i: usize): usize {
  const p = <usize>load<u16>(<usize>load<u32>(mapped + i));
  return stretchTable + ((p >> 4) << 1);
}

/** Row of a map for each count: 0, 1, 2, 3, then 4 or 5, up to 8, to 14, to 30, above. */
@inline
function rowsOf(counts: v128): v128 {
  let row = i32x4.min_u(counts, i32x4.splat(4));
  row = i32x4.sub(row, i32x4.gt_s(counts, i32x4.splat(5)));
  row = i32x4.sub(row, i32x4.gt_s(counts, i32x4.splat(8)));
  row = i32x4.sub(row, i32x4.gt_s(counts, i32x4.splat(14)));
  return i32x4.sub(row, i32x4.gt_s(counts, i32x4.splat(30)));
}
