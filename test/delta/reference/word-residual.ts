// Instructions of four bytes in a block's chunk that differs (CODING.md, "Instructions of a block").

import type { BitReader } from './bit-reader.ts';
import { Bytes } from './bytes.ts';
import type { Expectation } from './expectation.ts';
import { Mixer } from './mixer.ts';
import type { Output } from './output.ts';
import { WordFields } from './word-fields.ts';
import {
  WORD_FLAGS,
  wordFlagChoice,
  wordFlagContexts,
  type WordFlagFacts,
} from './word-flag-contexts.ts';
import type { Units } from './word-units.ts';
import { bitsOf, hash, u32 } from './word.ts';

/** The last new instruction for a predicted one. */
interface Memo {
  readonly predicted: number;
  readonly made: number;
}

export class WordResidual {
  readonly #reader: BitReader;
  readonly #flags = new Mixer(WORD_FLAGS);
  readonly #fields: WordFields;
  /** By 12 bits of a hash of the predicted instruction. */
  readonly #memos = new Map<number, Memo>();
  /** By predicted operation: a bit for each of the last ones that was wrong, the latest lowest. */
  readonly #outcomes = new Map<number, number>();
  #history = 0;
  /** Instructions of blocks so far, and where the last wrong one was. */
  #position = 0;
  #lastDifference = 0;
  #gap1 = 0;
  #gap2 = 0;

  constructor(reader: BitReader) {
    this.#reader = reader;
    this.#fields = new WordFields(reader);
  }

  /** A chunk with room for so many instructions is as predicted. */
  skip(count: number): void {
    this.#history = 0;
    this.#position += count;
  }

  /** The bytes of the next instruction, the first lowest, predicted `at` bytes into the block. */
  code(out: Output, units: Units, expectation: Expectation, at: number, section: number): number {
    const facts = this.#facts(out, units, expectation, at, section);
    const { predicted, operation, before, h } = facts;
    const differs = this.#flags.code(
      wordFlagContexts(facts),
      wordFlagChoice(facts),
      this.#reader.next,
    );
    this.#history = u32(h * 2 + differs);
    this.#outcomes.set(operation, (facts.past * 2 + differs) & 255);
    const made = differs === 0 ? predicted : this.#fields.code(facts);
    if (differs === 1) {
      this.#gap2 = this.#gap1;
      this.#gap1 = facts.gapClass;
      this.#lastDifference = this.#position;
    }
    if (differs === 1 || before !== 0) this.#memos.set(memoKey(predicted), { predicted, made });
    this.#position++;
    return units.raw(made, out.at);
  }

  #facts(
    out: Output,
    units: Units,
    expectation: Expectation,
    at: number,
    section: number,
  ): WordFlagFacts {
    const n = out.at;
    const expected = (bytes: Bytes, index: number) =>
      units.of(wordIn(bytes, index), n + (index - at));
    const made = (back: number) =>
      n - out.start < back ? 0 : units.of(new Bytes(out.bytes).u32(n - back), n - back);
    const predicted = expected(expectation.predicted, at);
    const other = expected(expectation.other, at);
    const kind = expectation.kind(at) >> 3;
    const p1 = at >= 4 ? expected(expectation.predicted, at - 4) : 0;
    const w1 = made(4);
    const operation = units.operationOf(predicted);
    const gap = Math.min(this.#position - this.#lastDifference, 255);
    const memo = this.#memos.get(memoKey(predicted));
    const before = memo?.predicted === predicted ? memo.made : 0;
    return {
      units,
      section,
      predicted,
      other,
      p1,
      q1: expected(expectation.predicted, at + 4),
      w1,
      w2: made(8),
      kind,
      sure: expectation.sure(at),
      hasOther: kind !== 0 && other !== predicted ? 1 : 0,
      operation,
      past: this.#outcomes.get(operation) ?? 0,
      before,
      seenState: before === 0 ? 0 : before === predicted ? 1 : 2,
      wasWrong: at >= 4 && w1 !== p1 ? 1 : 0,
      gapClass: gap < 16 ? gap : 16 + bitsOf(gap),
      gap1: this.#gap1,
      gap2: this.#gap2,
      edge1: Math.min(at >> 2, 7),
      edge2: Math.min((expectation.length - at) >> 2, 7),
      h: this.#history,
      fields: this.#fields,
    };
  }
}

function memoKey(predicted: number): number {
  return hash(predicted, 77) >>> 20;
}

/** Four bytes of a block; zeros after its end. */
function wordIn(bytes: Bytes, at: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word |= (bytes.array[at + i] ?? 0) << (8 * i);
  return u32(word);
}
