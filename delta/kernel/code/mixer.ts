// Context mixing for one kind of decision (Mahoney, "Adaptive weighing of context models", 2005):
// every context finds a slot with a probability; their stretched values are weighed by up to four
// selected sets of weights, a final set weighs the results, and two maps refine them.
//
// Slots: 4 bytes each, probability of 1 (16 bits), count (8), check (8); buckets of two.
// Inputs: for each context its stretch, and its stretch scaled by the count; then a constant.

import { isLeftOut, Step } from '../ablation';
import { alloc } from '../memory';
import { codeBit } from './arith';
import { squash, stretchTable, STRETCH_MAX } from './squash';

const MAX_INPUTS: usize = 64;
/** 1.0 as a weight of the first layer, and of the final one. */
const ONE: i32 = 16384;
const FINAL_ONE: i32 = 65536;
const RATE: i32 = 10;
const FINAL_RATE: i32 = 2;
const REFINE_RATE: i32 = 5;
const REFINE_STEPS: usize = 33;
const P_MIN: u32 = 6;
const BIAS: i16 = 1024;
const SALT: u32 = 0xd6e8feb9;
const COUNT: u32 = 0xff0000;
const MAP_COLUMNS: u32 = 40;
const MAP_BYTES: usize = 9 * 40 * 2;
const MAP_RATE: i32 = 6;

let inputs: usize = 0;
let places: usize = 0;
/** Checks; once the slots are found, the slots themselves. */
let keys: usize = 0;
/** Row of a slot's count in the maps. */
let certainty: usize = 0;
let mapped: usize = 0;
/** 65536 / (n + 1.6) for each count. */
let rates: usize = 0;

/** Scratch of all mixers; call it once in a session, after openSquash. */
export function openMixers(): void {
  inputs = alloc(MAX_INPUTS * 2);
  places = alloc(32 * 4);
  keys = alloc(32 * 4);
  rates = alloc(256 * 4);
  certainty = alloc(256);
  mapped = alloc(32 * 4);
  for (let n: i32 = 0; n < 256; n++) {
    store<i32>(rates + (<usize>n << 2), 655360 / (10 * n + 16));
    const row = n < 4 ? n : n < 6 ? 4 : n < 9 ? 5 : n < 15 ? 6 : n < 31 ? 7 : 8;
    store<u8>(certainty + <usize>n, <u8>row);
  }
}

@unmanaged
export class Mixer {
  /** u32 for each context: filled by the caller before each decision. */
  hashes: usize;
  contexts: u32;
  /** Bytes of a set of weights, a multiple of 16. */
  setBytes: usize;
  mask: u32;
  slots: usize;
  weights: usize;
  /** Weight sets before the second, third, fourth group. */
  start1: u32;
  start2: u32;
  start3: u32;
  groups: u32;
  setCount: u32;
  finalWeights: usize;
  finalCount: u32;
  refine0: usize;
  refine1: usize;
  refineMask: u32;
  limit: u32;
  count: u32;
  /** Ablated: one set, nothing refined. */
  isSimple: bool;
  maps: usize;

  @inline
  setHash(index: u32, value: u32): void {
    store<u32>(this.hashes + (<usize>index << 2), value);
  }

  /** As {@link setHash}, for a context that the next decision's `salt` is not to be mixed into. */
  @inline
  setSteady(index: u32, value: u32, salt: u32): void {
    this.setHash(index, value - salt * SALT);
  }

  /** Forgets everything. */
  reset(): void {
    this.count = 0;
    memory.fill(this.slots, 0, (<usize>this.mask + 1) << 3);
    const first = <i16>((ONE * 9) / 10 / <i32>this.contexts);
    const second = <i16>((ONE * 3) / 10 / <i32>this.contexts);
    for (let s: u32 = 0; s < this.setCount; s++) {
      const set = this.weights + <usize>s * this.setBytes;
      memory.fill(set, 0, this.setBytes);
      for (let i: u32 = 0; i < this.contexts; i++) {
        store<i16>(set + (<usize>i << 1), first);
        store<i16>(set + (<usize>(this.contexts + i) << 1), second);
      }
    }
    for (let i: u32 = 0; i < this.contexts; i++) {
      for (let row: i32 = 0; row < 9; row++) {
        for (let column: i32 = 0; column < 40; column++) {
          const middle = ((column - 19) * 512 + 256) / 4;
          const sure = row === 0 ? 0 : row < 4 ? (middle * (row + 3)) / 8 : middle;
          store<u16>(this.maps + <usize>i * MAP_BYTES + <usize>(row * 40 + column) * 2, <u16>(squash(sure) >> 4));
        }
      }
    }
    for (let i: u32 = 0; i < this.finalCount * this.groups; i++) {
      store<i32>(this.finalWeights + (<usize>i << 2), FINAL_ONE / <i32>this.groups);
    }
    for (let step: usize = 0; step < REFINE_STEPS; step++) {
      store<u16>(this.refine0 + (step << 1), <u16>(squash((<i32>step - 16) * 256) >> 4));
    }
    const row = REFINE_STEPS << 1;
    for (let c: usize = 1; c < <usize>(this.refineMask + 1) * 2; c++) {
      memory.copy(this.refine0 + c * row, this.refine0, row);
    }
  }

  /**
   * Codes one decision. `salt` is mixed into every hash (the bits of the symbol so far); one set of
   * each group is used, one final set, and a context of each refining map. Building: codes `bit` and
   * returns it; applying: ignores `bit` and returns the coded one.
   */
  code(
    bit: u32,
    salt: u32,
    set0: u32,
    set1: u32,
    set2: u32,
    set3: u32,
    finalSet: u32,
    context0: u32,
    context1: u32,
  ): u32 {
    const n = this.contexts;
    this.findSlots(n, salt * SALT);
    const groups = this.groups;
    const bytes = this.setBytes;
    const w0 = this.weights + <usize>set0 * bytes;
    const w1 = this.weights + <usize>(this.start1 + set1) * bytes;
    const w2 = this.weights + <usize>(this.start2 + set2) * bytes;
    const w3 = this.weights + <usize>(this.start3 + set3) * bytes;
    const x0 = dot(w0, bytes);
    const x1 = groups > 1 ? dot(w1, bytes) : 0;
    const x2 = groups > 2 ? dot(w2, bytes) : 0;
    const x3 = groups > 3 ? dot(w3, bytes) : 0;
    const v = this.finalWeights + ((<usize>finalSet * groups) << 2);
    let sum = <i64>x0 * <i64>load<i32>(v);
    if (groups > 1) sum += <i64>x1 * <i64>load<i32>(v, 4);
    if (groups > 2) sum += <i64>x2 * <i64>load<i32>(v, 8);
    if (groups > 3) sum += <i64>x3 * <i64>load<i32>(v, 12);
    const x = max(-STRETCH_MAX, min(STRETCH_MAX, <i32>(sum >> 16)));
    const mixed = squash(x);

    const step = <u32>(x + 4096);
    const j = <usize>(step >>> 8);
    const f = step & 255;
    const a0 = this.refine0 + ((<usize>(context0 & this.refineMask) * REFINE_STEPS + j) << 1);
    const a1 = this.refine1 + ((<usize>(context1 & this.refineMask) * REFINE_STEPS + j) << 1);
    const r0 = (<u32>load<u16>(a0) * (256 - f) + <u32>load<u16>(a0, 2) * f) >>> 4;
    const r1 = (<u32>load<u16>(a1) * (256 - f) + <u32>load<u16>(a1, 2) * f) >>> 4;
    let p = this.isSimple ? <u32>mixed : (2 * <u32>mixed + r0 + r1) >>> 2;
    p = max(P_MIN, min(1048576 - P_MIN, p));
    bit = codeBit(bit, p);

    const near: usize = f < 128 ? 0 : 2;
    learnRefined(a0 + near, bit);
    learnRefined(a1 + near, bit);
    const goal = <i32>(bit << 20);
    const miss = (goal - mixed) >> 4;
    learnFinal(v, x0, miss);
    if (groups > 1) learnFinal(v + 4, x1, miss);
    if (groups > 2) learnFinal(v + 8, x2, miss);
    if (groups > 3) learnFinal(v + 12, x3, miss);
    const early = <i32>this.count;
    const rate = RATE + (early < 2000 ? (2000 - early) / 250 : 0);
    this.count++;
    learn(w0, bytes, goal - squash(x0), rate);
    if (groups > 1) learn(w1, bytes, goal - squash(x1), rate);
    if (groups > 2) learn(w2, bytes, goal - squash(x2), rate);
    if (groups > 3) learn(w3, bytes, goal - squash(x3), rate);
    this.learnSlots(n, bit);
    return bit;
  }

  /** Finds or makes the slot of every context, and fills the inputs. */
  private findSlots(n: u32, salt: u32): void {
    this.placeSlots(n, salt);
    const half = <usize>n << 1;
    for (let i: usize = 0; i < <usize>n; i++) {
      const key = load<u32>(keys + (i << 2));
      const bucket = this.slots + (<usize>load<u32>(places + (i << 2)) << 3);
      const pair = load<u64>(bucket);
      const first = <u32>pair;
      const second = <u32>(pair >> 32);
      const isFirst = first >>> 24 === key;
      let place = select<usize>(bucket, bucket + 4, isFirst);
      let slot = select<u32>(first, second, isFirst);
      if (slot >>> 24 !== key) {
        place = select<usize>(bucket, bucket + 4, (first & COUNT) + (key & 1) <= (second & COUNT));
        slot = (key << 24) | 32768;
      }
      store<u32>(places + (i << 2), <u32>place);
      store<u32>(keys + (i << 2), slot);
      const s = <i32>load<i16>(stretchTable + <usize>((slot & 0xffff) >>> 4 << 1));
      const row = <u32>load<u8>(certainty + <usize>((slot >>> 16) & 255));
      const map = this.maps + i * MAP_BYTES + <usize>((row * MAP_COLUMNS + <u32>((s + 9728) >> 9)) << 1);
      store<u32>(mapped + (i << 2), <u32>map);
      store<i16>(inputs + (i << 1), <i16>s);
      store<i16>(inputs + (i << 1) + half, load<i16>(stretchTable + <usize>(load<u16>(map) >>> 4 << 1)));
    }
    store<i16>(inputs + (half << 1), BIAS);
    for (let i = (half << 1) + 2; i < this.setBytes; i += 2) store<i16>(inputs + i, 0);
  }

  /** Bucket and check of every context's hash. */
  private placeSlots(n: u32, salt: u32): void {
    const salts = i32x4.splat(<i32>salt);
    let steps = i32x4(0, <i32>0x9e3779b1, <i32>(0x9e3779b1 * 2), <i32>(0x9e3779b1 * 3));
    const stride = i32x4.splat(<i32>(0x9e3779b1 * 4));
    const factor = i32x4.splat(<i32>0x85ebca6b);
    const mask = i32x4.splat(<i32>this.mask);
    const one = i32x4.splat(1);
    for (let i: usize = 0; i < <usize>n << 2; i += 16) {
      let k = v128.load(this.hashes + i);
      k = i32x4.mul(i32x4.add(i32x4.add(k, steps), salts), factor);
      k = v128.xor(k, i32x4.shr_u(k, 15));
      v128.store(keys + i, i32x4.max_u(i32x4.shr_u(k, 24), one));
      v128.store(places + i, v128.and(v128.xor(k, i32x4.shr_u(k, 9)), mask));
      steps = i32x4.add(steps, stride);
    }
  }

  private learnSlots(n: u32, bit: u32): void {
    const limit = this.limit;
    const goal: i32 = bit ? 65535 : 0;
    for (let i: usize = 0; i < <usize>n << 2; i += 4) {
      const slot = load<u32>(keys + i);
      const count = (slot >>> 16) & 255;
      const p = <i32>(slot & 0xffff);
      const rate = load<i32>(rates + (<usize>count << 2));
      const change = ((goal - p) * rate) >> 16;
      const next = select<u32>(count + 1, count, count < limit);
      const to = (slot & 0xff000000) | (next << 16) | <u32>(p + change);
      store<u32>(<usize>load<u32>(places + i), to);
      const map = <usize>load<u32>(mapped + i);
      const q = <i32>load<u16>(map);
      store<u16>(map, <u16>(q + ((goal - q) >> MAP_RATE)));
    }
  }
}

/** Weighed inputs in 1/256 nat, within +-3000. */
@inline
function dot(weights: usize, bytes: usize): i32 {
  let sum = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(inputs + i), v128.load(weights + i)));
  }
  const x =
    (i32x4.extract_lane(sum, 0) +
      i32x4.extract_lane(sum, 1) +
      i32x4.extract_lane(sum, 2) +
      i32x4.extract_lane(sum, 3)) >>
    16;
  return max(-3000, min(3000, x));
}

/** `miss` in 20 bits. */
@inline
function learn(weights: usize, bytes: usize, miss: i32, rate: i32): void {
  const e = ((miss >> 4) * rate + 64) >> 7;
  if (e === 0) return;
  const factor = i16x8.splat(<i16>e);
  for (let i: usize = 0; i < bytes; i += 16) {
    const change = i16x8.q15mulr_sat_s(v128.load(inputs + i), factor);
    v128.store(weights + i, i16x8.add_sat_s(v128.load(weights + i), change));
  }
}

@inline
function learnFinal(weight: usize, x: i32, miss: i32): void {
  const change = <i32>((<i64>x * <i64>(miss * FINAL_RATE) + (1 << 17)) >> 18);
  store<i32>(weight, load<i32>(weight) + change);
}

@inline
function learnRefined(at: usize, bit: u32): void {
  const p = <i32>load<u16>(at);
  store<u16>(at, <u16>(p + (((bit ? 65535 : 0) - p) >> REFINE_RATE)));
}

/**
 * A mixer of `contexts` contexts (at most 31) and a table of 2^`tableBits` slots. `s0` to `s3` are the
 * sizes of its groups of weight sets (0: no such group), `finals` the number of final sets, `refine` the
 * contexts of each refining map (a power of two), `limit` the highest count of a slot.
 */
export function newMixer(
  contexts: u32,
  tableBits: u32,
  s0: u32,
  s1: u32,
  s2: u32,
  s3: u32,
  finals: u32,
  refine: u32,
  limit: u32,
): Mixer {
  const mixer = changetype<Mixer>(alloc(offsetof<Mixer>()));
  mixer.isSimple = isLeftOut(Step.MIXER_SETS);
  if (mixer.isSimple) s1 = s2 = s3 = 0;
  mixer.contexts = contexts;
  mixer.hashes = alloc(32 * 4);
  mixer.setBytes = ((<usize>contexts * 2 + 1) * 2 + 15) & ~(<usize>15);
  mixer.mask = (1 << (tableBits - 1)) - 1;
  mixer.slots = alloc(<usize>4 << tableBits);
  mixer.start1 = s0;
  mixer.start2 = s0 + s1;
  mixer.start3 = s0 + s1 + s2;
  mixer.setCount = s0 + s1 + s2 + s3;
  mixer.groups = 1 + (s1 > 0 ? 1 : 0) + (s2 > 0 ? 1 : 0) + (s3 > 0 ? 1 : 0);
  mixer.weights = alloc(<usize>mixer.setCount * mixer.setBytes);
  mixer.finalCount = finals;
  mixer.finalWeights = alloc((<usize>finals * mixer.groups) << 2);
  mixer.refineMask = refine - 1;
  mixer.refine0 = alloc(<usize>refine * 2 * (REFINE_STEPS << 1));
  mixer.refine1 = mixer.refine0 + <usize>refine * (REFINE_STEPS << 1);
  mixer.limit = limit;
  mixer.maps = alloc(<usize>contexts * MAP_BYTES);
  mixer.reset();
  return mixer;
}
