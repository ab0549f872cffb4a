import type { BitReader } from './bit-reader.ts';
import { Bytes } from './bytes.ts';
import { isWordy, placeInRv64 } from './code-layout.ts';
import { Machine } from './image.ts';
import {
  type LiteralFacts,
  literalContexts,
  LITERALS,
  literalSets,
  steadyContexts,
  WORDY_LITERALS,
} from './literal-contexts.ts';
import { Mixer } from './mixer.ts';
import type { Neighbour } from './neighbour.ts';
import { NO_BYTE } from './old-view.ts';
import type { Output } from './output.ts';
import { type Match, RecentPlaces } from './recent-places.ts';
import { symbolSource, type Teacher } from './teacher.ts';
import { Branch } from './x64-branches.ts';
import { advanceField, FIELD_BYTES, toTarget, type X64Code, type X64Field } from './x64-code.ts';
import { u32 } from './word.ts';

/** How far insertions and deletions are followed. */
const REACH = 12;

/** A run of literals, as its bytes are told. */
export interface ByteRun {
  readonly end: number;
  readonly after: Neighbour;
  readonly until: Neighbour;
  readonly isX64: boolean;
  readonly teacher: Teacher | undefined;
}

/** Literals byte by byte. */
export class ByteLiterals {
  readonly #reader: BitReader;
  readonly #x64: X64Code;
  readonly #machine: Machine;
  readonly #isWordy: boolean;
  readonly #mixer: Mixer;
  #places = new RecentPlaces();
  /** The target of the field that the match has in place of the one at hand. */
  #matchTarget: number | undefined;

  constructor(reader: BitReader, x64: X64Code, machine: Machine) {
    this.#reader = reader;
    this.#x64 = x64;
    this.#machine = machine;
    this.#isWordy = isWordy(machine);
    this.#mixer = new Mixer(this.#isWordy ? WORDY_LITERALS : LITERALS);
  }

  forgetPlaces(): void {
    this.#places = new RecentPlaces();
  }

  /** Begins a run at `out.at`. */
  begin(out: Output): void {
    this.#places.begin(out);
    this.#matchTarget = undefined;
  }

  /** Makes the next byte. */
  next(out: Output, run: ByteRun): void {
    const { after, until, isX64 } = run;
    const match = this.#places.expected(out);
    const field = isX64 ? this.#field(out, run, match) : undefined;
    const add = field ? toTarget(field) : 0;
    const facts = this.#facts(out, run, match, field);
    const known = ({ bytes }: Teacher) => (bytes.u8(out.at) + add) & 255;
    const symbol = this.#symbol(facts, symbolSource(this.#reader, run.teacher, known, 8));
    const byte = (symbol - add) & 255;
    const bytesBefore = [out.before(1), out.before(2), out.before(3)];
    out.put(byte);
    after.note(facts.a === symbol);
    until.note(facts.u === symbol);
    this.#places.learn(facts.matched === symbol);
    if (isX64) this.#advance(field, byte);
    if (after.exists && facts.a !== symbol && (after.misses & 15) === 15) {
      after.realign(out.at, [byte, ...bytesBefore], 1, REACH, 0);
    }
  }

  #advance(field: X64Field | undefined, byte: number): void {
    if (field) {
      advanceField(field, byte);
      if (field.byte === FIELD_BYTES - 1) this.#x64.branches.learn(field.branch, field.known);
    }
    this.#x64.advance(byte);
  }

  /** The field of the byte at hand; begins the match's one as well. */
  #field(out: Output, run: ByteRun, match: Match): X64Field | undefined {
    const n = out.at;
    const field = this.#x64.fieldAt(n);
    const { teacher } = run;
    if (!field || (teacher && run.end - n < FIELD_BYTES - field.byte)) return undefined;
    if (field.byte !== 0) return field;
    if (teacher) {
      // The target is to be where it is in the new code.
      const distance = teacher.bytes.u32(n);
      const { immediate } = this.#x64.phase;
      const target = u32(teacher.address + n + FIELD_BYTES + immediate + distance);
      field.end = u32(this.#x64.map.address(target).address - distance);
    }
    // A jump mostly stays in its function: of that, the distance is the same.
    const isFollowed = match.byte !== NO_BYTE && match.at + FIELD_BYTES <= n;
    this.#matchTarget =
      isFollowed && field.branch !== Branch.jump
        ? u32(new Bytes(out.bytes).u32(match.at) + field.end - (n - match.at))
        : undefined;
    return field;
  }

  #facts(
    out: Output,
    { after, until, isX64 }: ByteRun,
    match: Match,
    field: X64Field | undefined,
  ): LiteralFacts & { readonly matched: number } {
    const n = out.at;
    const alignment = this.#alignment(out);
    const asTarget = (byte: number) =>
      field && byte < NO_BYTE ? (byte + toTarget(field)) & 255 : byte;
    const a = after.byte(n);
    const matched =
      field && this.#matchTarget !== undefined
        ? (this.#matchTarget >>> (8 * field.byte)) & 255
        : asTarget(match.byte);
    const guess =
      field && match.length === 0
        ? this.#x64.branches.guess(field.branch, field.known, field.byte)
        : undefined;
    const top = u32(after.place(n) - alignment + 3);
    const hasTop = this.#isWordy && after.exists && after.isPlace(top);
    return {
      n,
      c: Array.from({ length: 7 }, (_, back) => (back === 0 ? 0 : out.before(back))),
      a: asTarget(a),
      u: asTarget(until.byte(n)),
      afterMisses: after.misses,
      untilMisses: until.misses,
      nextOld: a < NO_BYTE ? after.plain(n, 1) : 0,
      isWordy: this.#isWordy,
      alignment,
      top: hasTop ? 1 + after.plain(n, 3 - alignment) : 0,
      lastTop: this.#isWordy ? out.before(1 + alignment) : 0,
      match,
      matched,
      expected: field && guess !== undefined ? (guess >>> (8 * field.byte)) & 255 : matched,
      isGuess: guess !== undefined,
      phase: isX64 ? this.#x64.phase : undefined,
      field,
    };
  }

  /** Bytes before in the instruction or word, as far as they are told apart. */
  #alignment(out: Output): number {
    if (this.#isWordy) return out.at & 3;
    return this.#machine === Machine.rv64 ? placeInRv64(out) : 0;
  }

  #symbol(facts: LiteralFacts, source: (p: number) => number): number {
    const hashes = literalContexts(facts);
    let symbol = 1;
    for (let bit = 7; bit >= 0; bit--) {
      const decision = this.#mixer.code(
        [...hashes, ...steadyContexts(facts, symbol, bit)],
        { salt: symbol, steadyFrom: hashes.length, ...literalSets(facts, symbol, bit) },
        source,
      );
      symbol = symbol * 2 + decision;
    }
    return symbol & 255;
  }
}
