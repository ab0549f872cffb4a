// The contexts that x86-64 code has in place of others, each as in the tables of CODING.md. They are
// told by the instruction so far; in fields with a target, by the target.

import type { X64Phase } from './x64-phase.ts';
import { toTarget, type X64Field } from './x64-code.ts';
import { hash, u32 } from './word.ts';

/** Contexts by their index. */
export type Replacements = readonly (readonly [number, number])[];

export function withReplaced(contexts: readonly number[], replacements: Replacements): number[] {
  const result = [...contexts];
  for (const [index, context] of replacements) result[index] = context;
  return result;
}

export function x64LiteralContexts(phase: X64Phase, field: X64Field | undefined): Replacements {
  const { step, soFar, opcode, modrm, last1, last2, last3 } = phase;
  const always = [[5, hash(6, soFar, last1, last2 + u32(last3 << 8))]] as const;
  if (field) {
    const { branch, known } = field;
    return [
      ...always,
      [0, hash(21, step, branch)],
      [6, hash(22, step, known, branch)],
      [11, hash(23, step, known)],
      [12, hash(24, step, known, last1)],
      [14, hash(25, step, toTarget(field), branch)],
      [15, hash(26, step, soFar, last1)],
    ];
  }
  return [
    ...always,
    [0, hash(21, step, opcode)],
    [6, hash(22, step, soFar, last1)],
    [11, hash(23, step, soFar)],
    [12, hash(24, soFar, last1, last2)],
    [14, hash(25, step, opcode, modrm)],
    [15, hash(26, soFar, (last1 & 0xffff) | (last2 << 16), last3 & 0xffff)],
  ];
}

/** What is known of a block's byte beside the phase and the field. */
export interface X64ByteFacts {
  readonly predicted: number;
  readonly q1: number;
  readonly q2: number;
  /** The difference that makes the target one seen before, 256 for none. */
  readonly guess: number;
  readonly kind: number;
  readonly sure: number;
  readonly h: number;
  readonly gapClass: number;
  readonly difference1: number;
}

export function x64FlagContexts(
  f: X64ByteFacts,
  phase: X64Phase,
  field: X64Field | undefined,
): Replacements {
  const { predicted, kind, h, gapClass } = f;
  const { step, soFar, opcode, modrm, last1 } = phase;
  const target = field ? (predicted + toTarget(field)) & 255 : 0;
  const next = f.q1 | (f.q2 << 8);
  return [
    [10, hash(11, step, h & 7, kind)],
    [12, field ? hash(13, f.guess, field.byte, f.sure) : hash(13, predicted | (next << 8), step)],
    [14, hash(15, opcode, modrm | (step << 8), h & 3)],
    [15, hash(16, soFar, predicted, kind)],
    [17, hash(18, step, gapClass, opcode)],
    [18, field ? hash(19, target, field.known, field.byte) : hash(19, soFar, last1, predicted)],
  ];
}

export function x64ValueContexts(
  f: X64ByteFacts,
  phase: X64Phase,
  field: X64Field | undefined,
): Replacements {
  const { predicted, difference1 } = f;
  const { step, soFar, opcode, modrm, last1 } = phase;
  const always = [
    [10, hash(11, soFar, predicted)],
    [11, hash(12, step, difference1, opcode)],
    [12, hash(13, opcode, modrm | (step << 8), predicted)],
    [15, hash(16, step, difference1)],
    [16, hash(17, soFar, last1)],
  ] as const;
  if (!field) return [...always, [19, hash(20, step, opcode, predicted)]];
  const target = (predicted + toTarget(field)) & 255;
  return [
    ...always,
    [13, hash(14, target, field.known, field.byte)],
    [14, hash(15, f.guess, field.byte, field.branch)],
    [19, hash(20, target, field.byte, field.branch)],
  ];
}
