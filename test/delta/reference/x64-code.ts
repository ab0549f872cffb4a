// x86-64 code at the place being coded: the instruction's phase, and the field with a target that the
// byte may belong to (CODING.md, "x86-64 code").

import type { BlockMap } from './block-map.ts';
import type { Image } from './image.ts';
import type { Output } from './output.ts';
import { Branch, X64Branches } from './x64-branches.ts';
import { Step, X64Phase } from './x64-phase.ts';
import { u32 } from './word.ts';

/** Bytes that bring the phase into step. */
const LEAD = 64;
export const FIELD_BYTES = 4;

/** A field that counts from its instruction's end, byte by byte as the target that it has. */
export interface X64Field {
  readonly place: number;
  readonly branch: Branch;
  /** Address of the instruction's end. */
  end: number;
  /** The target's bytes before the one at hand, and what they carry. */
  known: number;
  carry: number;
  /** Index of the byte at hand. */
  byte: number;
}

/** The field's byte plus this is the target's, modulo 256. */
export function toTarget(field: X64Field): number {
  return ((field.end >>> (8 * field.byte)) + field.carry) & 255;
}

/** The field's byte at hand is `byte`. */
export function advanceField(field: X64Field, byte: number): void {
  const shift = 8 * field.byte;
  const sum = byte + ((field.end >>> shift) & 255) + field.carry;
  field.known = u32(field.known | ((sum & 255) << shift));
  field.carry = sum >> 8;
}

export class X64Code {
  readonly branches = new X64Branches();
  readonly map: BlockMap;
  readonly #fresh: Image;
  phase = new X64Phase();
  /** New place that the phase stands at. */
  #phaseAt: number | undefined;
  #field: X64Field | undefined;

  constructor(fresh: Image, map: BlockMap) {
    this.#fresh = fresh;
    this.map = map;
  }

  /** The bytes before are others now. */
  forget(): void {
    this.#phaseAt = undefined;
  }

  /** Brings the phase to the next byte, over bytes already made. */
  sync(out: Output): void {
    const n = out.at;
    if (this.#phaseAt === n) return;
    let from = Math.max(n - LEAD, out.start);
    if (this.#phaseAt !== undefined && this.#phaseAt > from && this.#phaseAt < n) {
      from = this.#phaseAt;
    } else this.phase = new X64Phase();
    for (; from < n; from++) this.phase.next(out.bytes[from] ?? 0);
    this.#phaseAt = n;
  }

  /** The byte at the phase's place is `byte`. */
  advance(byte: number): void {
    this.phase.next(byte);
    if (this.#phaseAt !== undefined) this.#phaseAt++;
  }

  /** The field that the byte at new place `n`, where the phase stands, belongs to. */
  fieldAt(n: number): X64Field | undefined {
    const { step } = this.phase;
    if (step < Step.rel32 || step >= Step.rip32 + 4) return undefined;
    const byte = (step - Step.rel32) & 3;
    if (byte === 0) this.#field = this.#openField(n);
    const field = this.#field;
    if (field?.place !== n - byte) return undefined;
    field.byte = byte;
    return field;
  }

  #openField(n: number): X64Field {
    const { step, immediate, opcode } = this.phase;
    const end = u32((this.#fresh.addressOf(n) ?? n) + FIELD_BYTES + immediate);
    let branch: Branch = opcode === 0xe8 ? Branch.call : Branch.jump;
    if (step >= Step.rip32) branch = Branch.data;
    return { place: n, branch, end, known: 0, carry: 0, byte: 0 };
  }
}
