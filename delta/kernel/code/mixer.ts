// Context mixing, second half, for one kind of decision (Mahoney, "Adaptive weighing of context models",
// 2005): what the contexts say is weighed by up to four selected sets of weights, a final set weighs the
// results, and two maps refine them.
//
// Inputs: those of the slots, then a constant.

import { isLeftOut, Step } from '../ablation';
import { alloc } from '../memory';
import { codeBit } from './arith';
import { inputs, Slots } from './slots';
import { squash, STRETCH_MAX } from './squash';

/** 1.0 as a weight of the first layer, and of the final one. */
const ONE: i32 = 16384;
const FINAL_ONE: i32 = 65536;
const RATE: i32 = 10;
const FINAL_RATE: i32 = 2;
const REFINE_RATE: i32 = 5;
const REFINE_STEPS: usize = 33;
const P_MIN: u32 = 6;
const BIAS: i16 = 1024;

@unmanaged
export class Mixer extends Slots {
  /** Bytes of a set of weights, a multiple of 16. */
  setBytes: usize;
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
  count: u32;
  /** Ablated: one set, nothing refined. */
  isSimple: bool;

  /** Forgets everything. */
  reset(): void {
    this.count = 0;
    this.resetSlots();
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
    this.find(salt);
    const groups = this.groups;
    const bytes = this.setBytes;
    endInputs(<usize>this.contexts << 2, bytes);
    const w0 = this.weights + <usize>set0 * bytes;
    const w1 = groups > 1 ? this.weights + <usize>(this.start1 + set1) * bytes : w0;
    const w2 = groups > 2 ? this.weights + <usize>(this.start2 + set2) * bytes : w0;
    const w3 = groups > 3 ? this.weights + <usize>(this.start3 + set3) * bytes : w0;
    let s0 = i32x4.splat(0);
    let s1 = i32x4.splat(0);
    let s2 = i32x4.splat(0);
    let s3 = i32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      const input = v128.load(inputs + i);
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(input, v128.load(w0 + i)));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(input, v128.load(w1 + i)));
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(input, v128.load(w2 + i)));
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(input, v128.load(w3 + i)));
    }
    const low = i32x4.add(v128.shuffle<i32>(s0, s1, 0, 4, 1, 5), v128.shuffle<i32>(s0, s1, 2, 6, 3, 7));
    const high = i32x4.add(v128.shuffle<i32>(s2, s3, 0, 4, 1, 5), v128.shuffle<i32>(s2, s3, 2, 6, 3, 7));
    let xs = i32x4.add(v128.shuffle<i64>(low, high, 0, 2), v128.shuffle<i64>(low, high, 1, 3));
    xs = i32x4.shr_s(xs, 16);
    xs = i32x4.max_s(i32x4.splat(-3000), i32x4.min_s(i32x4.splat(3000), xs));
    const x0 = i32x4.extract_lane(xs, 0);
    const x1 = i32x4.extract_lane(xs, 1);
    const x2 = i32x4.extract_lane(xs, 2);
    const x3 = i32x4.extract_lane(xs, 3);
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
    this.learnSlots(bit);
    return bit;
  }
}

/** The constant after `from` bytes of inputs, and zeros up to `bytes`. */
@inline
function endInputs(from: usize, bytes: usize): void {
  store<i16>(inputs + from, BIAS);
  for (let i = from + 2; i < bytes; i += 2) store<i16>(inputs + i, 0);
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
  mixer.openSlots(contexts, tableBits, limit);
  mixer.setBytes = ((<usize>contexts * 2 + 1) * 2 + 15) & ~(<usize>15);
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
  mixer.reset();
  return mixer;
}
