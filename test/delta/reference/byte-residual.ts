// The bytes of a chunk that differs: a flag for each, and the difference of those that differ.

import type { BitReader } from './bit-reader.ts';
import type { Expectation } from './expectation.ts';
import { Mixer } from './mixer.ts';
import type { Output } from './output.ts';
import type { Chunk } from './residual.ts';
import {
  type ByteFacts,
  flagContexts,
  FLAGS,
  valueContexts,
  VALUES,
  WORDY_FLAGS,
  WORDY_VALUES,
} from './residual-contexts.ts';
import { toTarget, type X64Code, type X64Field } from './x64-code.ts';
import { bitsOf, hash, u32 } from './word.ts';

const KNOWN = 256;
const WAS_ZERO = 512;
const NO_GUESS = 256;

/** The code that a byte of an x86-64 chunk is in, and its field with a target. */
interface CodeAt {
  readonly code: X64Code;
  readonly field: X64Field | undefined;
}

export class ByteResidual {
  gap1 = 0;
  gap2 = 0;
  readonly #reader: BitReader;
  readonly #isWordy: boolean;
  readonly #flags: Mixer;
  readonly #values: Mixer;
  /** A bit for each byte that differed, the latest lowest. */
  #history = 0;
  #difference1 = 0;
  #difference2 = 0;
  /** Bytes of blocks so far, and where the last difference was. */
  #position = 0;
  #lastDifference = 0;
  /** Last differences: by kind, by predicted bytes, by place in an entry of a section. */
  readonly #byKind = new Map<number, number>();
  readonly #byPair = new Map<number, number>();
  readonly #byEntry = new Map<number, number>();

  constructor(reader: BitReader, isWordy: boolean) {
    this.#reader = reader;
    this.#isWordy = isWordy;
    this.#flags = new Mixer(isWordy ? WORDY_FLAGS : FLAGS);
    this.#values = new Mixer(isWordy ? WORDY_VALUES : VALUES);
  }

  /** Class of the bytes since the last difference. */
  get since(): number {
    return Math.min(bitsOf(this.#position - this.#lastDifference), 20);
  }

  get #gapClass(): number {
    const gap = Math.min(this.#position - this.#lastDifference, 255);
    return gap < 32 ? gap : 32 + bitsOf(gap);
  }

  /** So many bytes are as predicted. */
  skip(bytes: number): void {
    this.#history = 0;
    this.#position += bytes;
  }

  /** Four bytes were coded as an instruction. */
  noteWord(differs: boolean): void {
    this.#history = u32(this.#history << 4) | (differs ? 1 : 0);
    if (differs) this.#noteGap(this.#gapClass);
    this.#position += 4;
  }

  #noteGap(gapClass: number): void {
    this.gap2 = this.gap1;
    this.gap1 = gapClass;
    this.#lastDifference = this.#position;
  }

  /** Makes the byte `at` bytes into the block. */
  code(
    chunk: Chunk,
    at: number,
    expectation: Expectation,
    out: Output,
    code: CodeAt | undefined,
  ): void {
    const facts = this.#facts(chunk, at, expectation, out, code);
    const { predicted, p1, section, entry } = facts;
    const pair = predicted * 256 + p1;
    const place = (section & 255) * 64 + (entry & 63);
    const differs = this.#flag(facts);
    this.#history = u32(facts.h * 2 + differs);
    let difference = 0;
    if (differs === 0) {
      noteZero(this.#byPair, pair);
      noteZero(this.#byEntry, place);
    } else {
      difference = this.#value({ ...facts, h: this.#history });
      this.#difference2 = this.#difference1;
      this.#difference1 = difference;
      this.#noteGap(facts.gapClass);
      this.#byKind.set(facts.kind, difference);
      this.#byPair.set(pair, difference | KNOWN);
      this.#byEntry.set(place, difference | KNOWN);
    }
    out.put((predicted + difference) & 255);
    this.#position++;
  }

  #flag(facts: ByteFacts): number {
    const { kind, h, gapClass, section, entry, phase } = facts;
    return this.#flags.code(
      flagContexts(facts),
      {
        sets: [
          Math.min(kind, 127) + 128 * (h & 3),
          facts.sure * 8 + (h & 7),
          phase ? phase.step * 4 + (h & 3) : Math.min(section, 31) * 8 + (entry & 7),
          Math.min(gapClass, 63),
        ],
        final: (h & 3) + (kind !== 0 ? 4 : 0),
        refine: [kind * 8 + (h & 7), hash(3, phase?.step ?? section, gapClass)],
      },
      this.#reader.next,
    );
  }

  #value(facts: ByteFacts): number {
    const { kind, phase } = facts;
    const where = phase?.step ?? facts.section;
    const entry = phase ? 0 : facts.entry;
    const hashes = valueContexts(facts);
    const inField = kind !== 0 ? 256 : 0;
    let symbol = 1;
    for (let bit = 7; bit >= 0; bit--) {
      const decision = this.#values.code(
        hashes,
        {
          salt: symbol,
          sets: [symbol | inField, ((kind << 3) | bit) & 1023, Math.min(where, 63)],
          refine: [symbol | inField, hash(7, where, symbol, entry)],
        },
        this.#reader.next,
      );
      symbol = symbol * 2 + decision;
    }
    return symbol & 255;
  }

  #facts(
    chunk: Chunk,
    at: number,
    expectation: Expectation,
    out: Output,
    code: CodeAt | undefined,
  ): ByteFacts {
    const { section, entryBytes, sectionStart } = chunk;
    const old = chunk.old + (at - chunk.from);
    const entry = entryBytes > 0 ? (old - sectionStart) % entryBytes : old & 7;
    const predicted = expectation.byte(at);
    const p1 = expectation.byte(at - 1);
    const kind = expectation.kind(at);
    const place = (section & 255) * 64 + (entry & 63);
    return {
      section,
      entry,
      predicted,
      p1,
      p2: expectation.byte(at - 2),
      p3: expectation.byte(at - 3),
      q1: expectation.byte(at + 1),
      q2: expectation.byte(at + 2),
      kind,
      nextKind: expectation.kind(at + 1),
      c1: out.before(1),
      c2: out.before(2),
      gapClass: this.#gapClass,
      lastMiss: at > 0 ? (out.before(1) - p1) & 255 : 0,
      sure: expectation.sure(at),
      alternative: kind !== 0 ? expectation.alternative(at) : 0,
      edge1: Math.min(at, 15),
      edge2: Math.min(expectation.length - 1 - at, 15),
      operation: this.#operation(expectation, at, old),
      guess: code?.field ? guessOf(code.code, code.field, predicted) : NO_GUESS,
      phase: code?.code.phase,
      field: code?.field,
      h: this.#history,
      difference1: this.#difference1,
      difference2: this.#difference2,
      gap1: this.gap1,
      kindLast: this.#byKind.get(kind) ?? 0,
      pairLast: this.#byPair.get(predicted * 256 + p1) ?? 0,
      entryLast: this.#byEntry.get(place) ?? 0,
    };
  }

  /** The upper half of the instruction word and the byte's place in it; else the three bytes before. */
  #operation(expectation: Expectation, at: number, old: number): number {
    const byte = (index: number) => expectation.byte(index);
    if (!this.#isWordy) return (byte(at - 1) << 16) | (byte(at - 2) << 8) | byte(at - 3);
    const word = at - (old & 3);
    return (byte(word + 3) << 8) | byte(word + 2) | ((old & 3) << 16);
  }
}

/** The difference that makes the field's target one that was seen before. */
function guessOf(code: X64Code, field: X64Field, predicted: number): number {
  const target = code.branches.guess(field.branch, field.known, field.byte);
  if (target === undefined) return NO_GUESS;
  return ((target >>> (8 * field.byte)) - toTarget(field) - predicted) & 255;
}

function noteZero(table: Map<number, number>, key: number): void {
  const last = table.get(key) ?? 0;
  if (last !== 0) table.set(key, (last & 255) | WAS_ZERO);
}
