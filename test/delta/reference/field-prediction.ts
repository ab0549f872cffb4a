// The references of a block: predicted before the 32 bytes where they begin, learned when they are
// complete (CODING.md, "References of a block").

import { Bytes } from './bytes.ts';
import type { Expectation } from './expectation.ts';
import { type Field, putField, takeField } from './fields.ts';
import { fieldBytes, hasBase, isOffsetKind, isStep, Kind, type Ref } from './kinds.ts';
import type { Output } from './output.ts';
import type { Pair } from './pair.ts';
import { OFFSET_KEY, type Targets } from './targets.ts';
import { branchAfter, type X64Branches } from './x64-branches.ts';
import { u32 } from './word.ts';

const MAX_PENDING = 32;
const STEP_CONFIDENCE = 49;
/** Blocks shorter than this are often wrong: their targets are not learned. */
const MIN_LEARNED = 24;

interface Pending {
  readonly position: number;
  readonly end: number;
  readonly key: number;
  readonly field: Field;
  readonly target: number;
}

/** The field of a reference at new offset `at`: its place there and its base's. */
export function fieldAt(pair: Pair, ref: Ref, at: number): Field {
  const place = pair.fresh.addressOf(at) ?? at;
  let base = 0;
  if (isOffsetKind(ref.kind)) base = pair.map.offset(ref.base);
  else if (hasBase(ref.kind)) base = pair.map.address(ref.base).address;
  return { kind: ref.kind, aux: ref.aux, place, base };
}

export function keyOf(ref: Ref): number {
  return isOffsetKind(ref.kind) ? u32(ref.target | OFFSET_KEY) : ref.target;
}

export class FieldPrediction {
  readonly #pair: Pair;
  readonly #targets: Targets;
  readonly #branches: X64Branches;
  readonly #out: Output;
  readonly #expectation: Expectation;
  /** First new and old byte of the block. */
  readonly #fresh: number;
  readonly #old: number;
  #pending: Pending[] = [];

  constructor(
    pair: Pair,
    targets: Targets,
    branches: X64Branches,
    out: Output,
    expectation: Expectation,
    fresh: number,
    old: number,
  ) {
    this.#pair = pair;
    this.#targets = targets;
    this.#branches = branches;
    this.#out = out;
    this.#expectation = expectation;
    this.#fresh = fresh;
    this.#old = old;
  }

  /** Predicts the references that begin in [from, to); returns the sum of their miss rates. */
  predict(from: number, to: number): number {
    let risk = 0;
    for (const ref of this.#refs(this.#old + from, this.#old + to)) {
      const position = ref.offset - this.#old;
      if (this.#expectation.length - position < fieldBytes(ref.kind)) continue;
      if (isStep(ref.kind)) this.#predictStep(ref, position, from);
      else risk += this.#predictTarget(ref, position);
    }
    return risk;
  }

  /** Learns from the fields that end at or before `to`. */
  learn(to: number): void {
    const complete = this.#pending.filter((one) => one.end <= to);
    this.#pending = this.#pending.filter((one) => one.end > to);
    if (this.#expectation.length < MIN_LEARNED) return;
    const made = new Bytes(this.#out.bytes);
    for (const { position, key, field, target } of complete) {
      const at = this.#fresh + position;
      const actual = takeField(made, at, field, target, this.#pair.fresh);
      if (actual === undefined) continue;
      this.#targets.learn(key, actual);
      if (field.kind === Kind.x64Relative && at > this.#out.start) {
        this.#branches.learn(branchAfter(made.u8(at - 1)), actual);
      }
    }
  }

  #refs(from: number, to: number): Ref[] {
    const refs: Ref[] = [];
    for (let page = Math.floor(from / 4096); page * 4096 < to; page++) {
      const inside = this.#pair.references.page(page);
      refs.push(...inside.filter((ref) => ref.offset >= from && ref.offset < to));
    }
    return refs;
  }

  #predictTarget(ref: Ref, position: number): number {
    const { predicted, other } = this.#expectation;
    const length = fieldBytes(ref.kind);
    const key = keyOf(ref);
    const { target, second, confidence, missRate } = this.#targets.predict(key);
    const field = fieldAt(this.#pair, ref, this.#fresh + position);
    putField(predicted, position, field, target, this.#pair.fresh);
    if (second === target) copyField(predicted, other, position, length);
    else putField(other, position, field, second, this.#pair.fresh);
    if (this.#pending.length < MAX_PENDING && ref.kind !== Kind.a64Page) {
      this.#pending.push({ position, end: position + length, key, field, target });
    }
    this.#expectation.mark(position, length, ref.kind, confidence);
    return missRate;
  }

  /** The entry before, plus the step that the old file has; nothing without an entry before. */
  #predictStep(ref: Ref, position: number, from: number): void {
    const { old } = this.#pair;
    const { predicted, other } = this.#expectation;
    const { aux } = ref;
    const length = fieldBytes(ref.kind);
    if (position < aux || this.#fresh + position - aux < this.#out.start) return;
    let carry = 0;
    for (let i = 0; i < length; i++) {
      const before = position - aux + i;
      const made = before < from ? this.#out.bytes[this.#fresh + before] : predicted.u8(before);
      const sum = (made ?? 0) + old.u8(ref.offset + i) - old.u8(ref.offset - aux + i) + carry;
      predicted.setU8(position + i, sum & 255);
      carry = sum >> 8;
    }
    copyField(predicted, other, position, length);
    this.#expectation.mark(position, length, ref.kind, STEP_CONFIDENCE);
  }
}

function copyField(from: Bytes, to: Bytes, at: number, length: number): void {
  to.array.set(from.array.subarray(at, at + length), at);
}
