import type { BitReader } from './bit-reader.ts';
import type { Neighbour } from './neighbour.ts';
import type { Output } from './output.ts';
import { symbolSource, type Teacher } from './teacher.ts';
import type { WordLiterals } from './word-literals.ts';
import type { Units } from './word-units.ts';
import { u32 } from './word.ts';

/** How far insertions and deletions are followed, and by how many bytes they are known. */
const REACH = 64;
const KNOWN = 8;

/** The instructions of a run of literals. */
export class InstructionRun {
  readonly #reader: BitReader;
  readonly #units: Units;
  readonly #words: WordLiterals;
  readonly #after: Neighbour;
  readonly #until: Neighbour;
  readonly #teacher: Teacher | undefined;

  constructor(
    reader: BitReader,
    units: Units,
    words: WordLiterals,
    beside: { readonly after: Neighbour; readonly until: Neighbour },
    teacher: Teacher | undefined,
  ) {
    this.#reader = reader;
    this.#units = units;
    this.#words = words;
    this.#after = beside.after;
    this.#until = beside.until;
    this.#teacher = teacher;
  }

  /** Makes the next instruction. */
  next(out: Output): void {
    const n = out.at;
    const units = this.#units;
    const after = this.#oldWord(this.#after, n);
    const until = this.#oldWord(this.#until, n);
    const beside = {
      after,
      until,
      next: this.#oldWord(this.#after, n + units.bytesOf(after)),
      afterMisses: this.#after.misses,
      untilMisses: this.#until.misses,
    };
    const known = ({ bytes }: Teacher) => units.of(bytes.u32(n), n);
    const source = symbolSource(this.#reader, this.#teacher, known, 32);
    const word = this.#words.code(out, units, beside, source);
    const bytes = units.bytesOf(word);
    const raw = units.raw(word, n);
    for (let i = 0; i < bytes; i++) out.put((raw >>> (8 * i)) & 255);
    if (this.#after.exists) this.#after.shift(units.bytesOf(after) - bytes);
    this.#after.note(after === word);
    this.#until.note(until === word);
    const isLost = this.#after.exists && (this.#after.misses & 3) === 3;
    if (!isLost || out.at - out.start < KNOWN) return;
    const last = Array.from({ length: KNOWN }, (_, i) => out.before(i + 1));
    this.#after.realign(out.at, last, units.step, REACH, 1);
  }

  /** The old instruction as it would look at new offset `n`; 0 if there is none. */
  #oldWord(neighbour: Neighbour, n: number): number {
    if (!neighbour.exists) return 0;
    let raw = 0;
    for (let i = 0; i < 4; i++) raw |= (neighbour.byte(n + i) & 255) << (8 * i);
    return this.#units.of(u32(raw), n);
  }
}
