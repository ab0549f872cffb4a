// New instructions that no block covers, unit by unit (CODING.md, "Instructions without a block").

import type { BitSource } from './bit-reader.ts';
import { Bytes } from './bytes.ts';
import { Mixer } from './mixer.ts';
import type { Output } from './output.ts';
import { WordMatch } from './word-match.ts';
import {
  type InstructionFacts,
  type UnitFacts,
  unitContexts,
  unitSets,
  unitVotes,
  WORD_LITERALS,
} from './word-literal-contexts.ts';
import { NO_UNIT, type Units, unitOf } from './word-units.ts';
import { u32 } from './word.ts';

/** Bytes before a run that are read as instructions. */
const LEAD = 256;

/** Old instructions beside the run, 0 where there is none, and their last misses. */
export interface Beside {
  readonly after: number;
  readonly until: number;
  /** The one that comes after `after`. */
  readonly next: number;
  readonly afterMisses: number;
  readonly untilMisses: number;
}

export class WordLiterals {
  readonly #mixer = new Mixer(WORD_LITERALS);
  /** The last instruction of each operation. */
  readonly #byOperation = new Map<number, number>();
  #match = new WordMatch();
  /** The last four instructions, the latest first. */
  #last: readonly number[] = [0, 0, 0, 0];

  /** Forgets all earlier places. */
  forgetPlaces(): void {
    this.#match = new WordMatch();
  }

  /** Reads the instructions before a run; where the first of the run begins. */
  begin(out: Output, units: Units): number {
    this.#match.drop();
    this.#last = [0, 0, 0, 0];
    const made = new Bytes(out.bytes);
    let n = Math.max(out.at - LEAD, out.start);
    n += (units.step - (n % units.step)) % units.step;
    while (n < out.at) {
      const left = out.at - n;
      const raw = left >= 4 ? made.u32(n) : left >= 2 ? made.u16(n) : 0;
      const word = units.of(raw, n);
      const bytes = units.bytesOf(word);
      if (bytes <= left) this.#push(word);
      n += bytes;
      if (n <= out.at) this.#match.note(n, this.#last);
    }
    return n;
  }

  /** The next instruction, as units. */
  code(out: Output, units: Units, beside: Beside, source: BitSource): number {
    const match = this.#match.find(out, units, this.#last);
    const facts: InstructionFacts = { units, last: this.#last, beside, match };
    const word = this.#units(facts, source);
    this.#byOperation.set(units.operationOf(word), word);
    this.#match.follow(word, units);
    this.#push(word);
    return word;
  }

  #push(word: number): void {
    this.#last = [word, ...this.#last.slice(0, 3)];
  }

  #units(facts: InstructionFacts, source: BitSource): number {
    const { units, beside, match } = facts;
    const expected = [beside.after, beside.until, match.length > 0 ? match.word : 0];
    const exists = [beside.after !== 0, beside.until !== 0, match.length > 0];
    // 1: the units so far are as in the expected instruction, 2: they are not, 0: there is none.
    const states: number[] = exists.map((is) => (is ? 1 : 0));
    let shape = units.shape(31);
    let prefix = 0;
    let low = 32;
    let first = 0;
    let last = 0;
    for (let k = 0; k < shape.widths.length; k++) {
      const width = shape.widths[k] ?? 0;
      const known = low;
      low -= width;
      const seen = expected.map((word, i) => (exists[i] ? unitOf(word, low, width) : NO_UNIT));
      if (known === shape.operationLow) last = this.#byOperation.get(prefix) ?? 0;
      const unit: UnitFacts = {
        k,
        known,
        low,
        width,
        prefix,
        first,
        operation: known > shape.operationLow ? prefix : prefix >>> (shape.operationLow - known),
        last,
        a: seen[0] ?? NO_UNIT,
        u: seen[1] ?? NO_UNIT,
        m: seen[2] ?? NO_UNIT,
        states,
      };
      const found = this.#unit(facts, unit, source);
      if (k === 0) {
        shape = units.shape(found);
        first = shape.secondSymbol;
      } else first += 1 << width;
      seen.forEach((value, i) => {
        if (exists[i] && value !== found) states[i] = 2;
      });
      prefix = u32((prefix << width) | found);
    }
    return u32(prefix << low);
  }

  #unit(facts: InstructionFacts, unit: UnitFacts, source: BitSource): number {
    const hashes = unitContexts(facts, unit);
    let symbol = 1;
    for (let bit = unit.width - 1; bit >= 0; bit--) {
      const votes = unitVotes(facts, unit, symbol, bit);
      const decision = this.#mixer.code(
        [...hashes, ...votes.contexts],
        { salt: symbol, steadyFrom: hashes.length, ...unitSets(facts, unit, votes, symbol) },
        source,
      );
      symbol = symbol * 2 + decision;
    }
    return symbol - (1 << unit.width);
  }
}
