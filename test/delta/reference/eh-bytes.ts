// The bytes of a record that is not as predicted.

import { Bytes } from './bytes.ts';
import type { EhModels } from './eh-models.ts';
import { EhProgram } from './eh-program.ts';
import { AUGMENTATION_AT, DATA_AT, MAX_RECORD, RANGE_AT, START_AT } from './eh-records.ts';
import type { EhTemplate } from './eh-template.ts';
import { check, u32 } from './word.ts';

/** Parts of a record after its first bytes, whose part is their place. */
const LSDA = 17;
const PROGRAM = 18;
const PLAIN = 19;
/** Added to the part of the last 8 bytes. */
const NEAR_END = 8;
/** How far the place in the template may jump. */
const REACH = 10;

interface FunctionFacts {
  readonly address: number;
  /** The template for a first address, its head as in the old record. */
  readonly completed: (start: number) => EhTemplate;
}

export class EhBytes {
  readonly #models: EhModels;
  readonly #room: number;
  readonly #program = new EhProgram();
  readonly #made: number[] = [];
  #template: EhTemplate;
  /** The last four bytes, the latest lowest. */
  #before: number;

  constructor(models: EhModels, template: EhTemplate, before: number, room: number) {
    this.#models = models;
    this.#template = template;
    this.#before = before;
    this.#room = room;
  }

  /** A record of at most `room` bytes; `facts` if its old one describes code. */
  read(facts: FunctionFacts | undefined): Bytes {
    check(this.#room >= 4, 'no room for a record');
    this.#head(4);
    const length = this.#word(0);
    if (length === 0) return this.#result();
    check(length >= 8 && length <= MAX_RECORD - 4, 'length of a record');
    check(length <= this.#room - 4, 'record too long');
    const bytes = length + 4;
    this.#head(START_AT);
    const code = bytes > AUGMENTATION_AT ? facts : undefined;
    if (code) {
      this.#head(RANGE_AT);
      this.#template = code.completed(u32(code.address + START_AT + this.#word(START_AT)));
      this.#head(DATA_AT);
      const program = Math.min(bytes, DATA_AT + (this.#made[AUGMENTATION_AT] ?? 0));
      while (this.#made.length < program) {
        this.#byte(this.#made.length, this.#part(LSDA, bytes), LSDA);
      }
    }
    this.#rest(bytes, code ? PROGRAM : PLAIN);
    return this.#result();
  }

  #result(): Bytes {
    return new Bytes(Uint8Array.from(this.#made));
  }

  #word(at: number): number {
    return this.#result().u32(at);
  }

  /** Bytes of fixed fields up to `end`. */
  #head(end: number): void {
    while (this.#made.length < end) {
      const i = this.#made.length;
      this.#byte(i, i, i);
    }
  }

  #part(part: number, bytes: number): number {
    return bytes - this.#made.length < 8 ? part + NEAR_END : part;
  }

  /** Bytes whose place in the template is followed over insertions and deletions. */
  #rest(bytes: number, part: number): void {
    let from = this.#made.length;
    for (; this.#made.length < bytes; from++) {
      const state = part === PROGRAM ? this.#program.state : part;
      const expected = this.#template.byte(from);
      const byte = this.#byte(from, this.#part(part, bytes), state);
      this.#program.note(byte);
      if (byte !== expected) from = this.#placeAfter(from);
    }
  }

  /** The next byte, told by the template's byte `from`. */
  #byte(from: number, field: number, state: number): number {
    const byte = this.#models.byte({
      field,
      state,
      expected: this.#template.byte(from),
      next: this.#template.byte(from + 1),
      last: from > 0 ? this.#template.byte(from - 1) : 0,
      before: this.#before,
      program: this.#program,
    });
    this.#before = u32((this.#before << 8) | byte);
    this.#made.push(byte);
    return byte;
  }

  /** The nearest place in the template with the last two bytes, farther off with the last three. */
  #placeAfter(from: number): number {
    for (let distance = 0; distance <= REACH; distance++) {
      for (const place of [from - distance, from + distance]) {
        if (this.#agrees(place, distance < 5 ? 2 : 3)) return place;
      }
    }
    return from;
  }

  #agrees(place: number, count: number): boolean {
    if (place < DATA_AT || place >= this.#template.bytes.length) return false;
    for (let back = 0; back < count; back++) {
      if (this.#template.byte(place - back) !== ((this.#before >>> (8 * back)) & 255)) return false;
    }
    return true;
  }
}
