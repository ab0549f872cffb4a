// Where the new bytes of a block differ from the predicted ones, 32 bytes at a time.

import type { BitReader } from './bit-reader.ts';
import type { Expectation } from './expectation.ts';
import { Mixer } from './mixer.ts';
import type { Output } from './output.ts';
import type { PlainStreams } from './plain-streams.ts';
import {
  type ByteFacts,
  chunkContexts,
  CHUNKS,
  flagContexts,
  FLAGS,
  valueContexts,
  VALUES,
} from './residual-contexts.ts';
import { bitsOf, hash, u32 } from './word.ts';

/** Up to 32 bytes of a block: where they begin and end in it, and where they stand in the old file. */
export interface Chunk {
  readonly from: number;
  readonly to: number;
  readonly old: number;
  /** Number of the old section + 1, where it begins, and bytes of its entries; 0 where there is none. */
  readonly section: number;
  readonly sectionStart: number;
  readonly entryBytes: number;
  /** Sum of the miss rates of the references that begin here. */
  readonly risk: number;
}

export interface Residual {
  /** Makes the chunk's bytes from those expected. */
  chunk(chunk: Chunk, expectation: Expectation, out: Output): void;
}

/** Fast profile: how many bytes are right, then by how much one is wrong. */
export class PlainResidual implements Residual {
  readonly #streams: PlainStreams;
  #gap: number;

  constructor(streams: PlainStreams) {
    this.#streams = streams;
    this.#gap = this.#nextGap();
  }

  #nextGap(): number {
    return this.#streams.isEmpty('gaps') ? Infinity : this.#streams.number('gaps');
  }

  chunk(chunk: Chunk, expectation: Expectation, out: Output): void {
    for (let at = chunk.from; at < chunk.to; at++) {
      const isRight = this.#gap-- > 0;
      out.put((expectation.byte(at) + (isRight ? 0 : this.#streams.byte('values'))) & 255);
      if (!isRight) this.#gap = this.#nextGap();
    }
  }
}

const KNOWN = 256;
const WAS_ZERO = 512;

/** Small profile. */
export class MixedResidual implements Residual {
  readonly #reader: BitReader;
  readonly #isWordy: boolean;
  readonly #chunks = new Mixer(CHUNKS);
  readonly #flags = new Mixer(FLAGS);
  readonly #values = new Mixer(VALUES);
  /** Bits, the latest lowest: chunks with differences; bytes that differ. */
  #chunkHistory = 0;
  #history = 0;
  #difference1 = 0;
  #difference2 = 0;
  #gap1 = 0;
  #gap2 = 0;
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
  }

  chunk(chunk: Chunk, expectation: Expectation, out: Output): void {
    if (this.#chunkDiffers(chunk, expectation) === 1) {
      for (let at = chunk.from; at < chunk.to; at++) {
        this.#byte(chunk, at, expectation, out);
        this.#position++;
      }
    } else {
      this.#history = 0;
      this.#position += chunk.to - chunk.from;
      for (let at = chunk.from; at < chunk.to; at++) out.put(expectation.byte(at));
    }
  }

  #chunkDiffers(chunk: Chunk, expectation: Expectation): number {
    const { from, to, section, risk } = chunk;
    const inFields = Array.from({ length: to - from }, (_, i) => from + i).filter(
      (at) => expectation.kind(at) !== 0,
    );
    const kinds = inFields.reduce((set, at) => set | (1 << ((expectation.kind(at) >> 3) & 15)), 0);
    const worst = Math.max(0, ...inFields.map((at) => sureClass(expectation.sure(at))));
    const since = Math.min(bitsOf(this.#position - this.#lastDifference), 20);
    const danger = risk === 0 ? 0 : bitsOf(risk >> 2);
    const h = this.#chunkHistory;
    const hashes = chunkContexts({
      h,
      since,
      section,
      kinds,
      worst,
      fields: inFields.length,
      danger,
      gap1: this.#gap1,
      gap2: this.#gap2,
      depth: Math.min(bitsOf(from), 10),
      rest: Math.min(bitsOf(expectation.length - from), 12),
    });
    const hasKinds = kinds !== 0 ? 1 : 0;
    const differs = this.#chunks.code(
      hashes,
      {
        sets: [(h & 1) + 2 * hasKinds, danger, Math.min(section, 63)],
        final: h & 3,
        refine: [danger * 8 + (h & 7), since * 32 + Math.min(section, 31)],
      },
      this.#reader.next,
    );
    this.#chunkHistory = u32(h * 2 + differs);
    return differs;
  }

  #byte(chunk: Chunk, at: number, expectation: Expectation, out: Output): void {
    const facts = this.#facts(chunk, at, expectation, out);
    const { predicted, p1, kind, h, gapClass, section, entry } = facts;
    const pair = predicted * 256 + p1;
    const place = (section & 255) * 64 + (entry & 63);
    const differs = this.#flags.code(
      flagContexts(facts),
      {
        sets: [
          Math.min(kind, 127) + 128 * (h & 3),
          facts.sure * 8 + (h & 7),
          Math.min(section, 31) * 8 + (entry & 7),
          Math.min(gapClass, 63),
        ],
        final: (h & 3) + (kind !== 0 ? 4 : 0),
        refine: [kind * 8 + (h & 7), hash(3, section, gapClass)],
      },
      this.#reader.next,
    );
    this.#history = u32(h * 2 + differs);
    if (differs === 0) {
      noteZero(this.#byPair, pair);
      noteZero(this.#byEntry, place);
      out.put(predicted);
      return;
    }
    const difference = this.#value({ ...facts, h: this.#history });
    this.#difference2 = this.#difference1;
    this.#difference1 = difference;
    this.#gap2 = this.#gap1;
    this.#gap1 = gapClass;
    this.#lastDifference = this.#position;
    this.#byKind.set(kind, difference);
    this.#byPair.set(pair, difference | KNOWN);
    this.#byEntry.set(place, difference | KNOWN);
    out.put((predicted + difference) & 255);
  }

  #value(facts: ByteFacts): number {
    const { kind, section, entry } = facts;
    const hashes = valueContexts(facts);
    const inField = kind !== 0 ? 256 : 0;
    let symbol = 1;
    for (let bit = 7; bit >= 0; bit--) {
      const decision = this.#values.code(
        hashes,
        {
          salt: symbol,
          sets: [symbol | inField, ((kind << 3) | bit) & 1023, Math.min(section, 63)],
          refine: [symbol | inField, hash(7, section, symbol, entry)],
        },
        this.#reader.next,
      );
      symbol = symbol * 2 + decision;
    }
    return symbol & 255;
  }

  #facts(chunk: Chunk, at: number, expectation: Expectation, out: Output): ByteFacts {
    const { section, entryBytes, sectionStart } = chunk;
    const old = chunk.old + (at - chunk.from);
    const entry = entryBytes > 0 ? (old - sectionStart) % entryBytes : old & 7;
    const predicted = expectation.byte(at);
    const p1 = expectation.byte(at - 1);
    const kind = expectation.kind(at);
    const gap = Math.min(this.#position - this.#lastDifference, 255);
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
      gapClass: gap < 32 ? gap : 32 + bitsOf(gap),
      lastMiss: at > 0 ? (out.before(1) - p1) & 255 : 0,
      sure: expectation.sure(at),
      alternative: kind !== 0 ? expectation.alternative(at) : 0,
      edge1: Math.min(at, 15),
      edge2: Math.min(expectation.length - 1 - at, 15),
      operation: this.#operation(expectation, at, old),
      h: this.#history,
      difference1: this.#difference1,
      difference2: this.#difference2,
      gap1: this.#gap1,
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

function noteZero(table: Map<number, number>, key: number): void {
  const last = table.get(key) ?? 0;
  if (last !== 0) table.set(key, (last & 255) | WAS_ZERO);
}

/** Class of a confidence: 0 outside of fields to 7. */
function sureClass(confidence: number): number {
  if (confidence === 0) return 0;
  if (confidence >= 50) return 7;
  return confidence === 49 ? 2 : 1 + ((confidence - 1) & 7);
}
