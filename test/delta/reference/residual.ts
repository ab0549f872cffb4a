// Where the new bytes of a block differ from the predicted ones, 32 bytes at a time.

import type { BitReader } from './bit-reader.ts';
import { ByteResidual } from './byte-residual.ts';
import { isWordy, isX64Code, layoutAt } from './code-layout.ts';
import type { Expectation } from './expectation.ts';
import { Mixer } from './mixer.ts';
import type { Output } from './output.ts';
import type { Pair } from './pair.ts';
import type { PlainStreams } from './plain-streams.ts';
import { chunkContexts, CHUNKS } from './residual-contexts.ts';
import { WordResidual } from './word-residual.ts';
import { Units } from './word-units.ts';
import { advanceField, type X64Code } from './x64-code.ts';
import { bitsOf, u32 } from './word.ts';

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

/** Small profile: chunks that differ by bytes, instructions of A64 and Arm by words. */
export class MixedResidual implements Residual {
  readonly #reader: BitReader;
  readonly #pair: Pair;
  readonly #x64: X64Code;
  readonly #isWordy: boolean;
  readonly #chunks = new Mixer(CHUNKS);
  readonly #bytes: ByteResidual;
  readonly #words: WordResidual;
  /** A bit for each chunk that differed, the latest lowest. */
  #history = 0;

  constructor(reader: BitReader, pair: Pair, x64: X64Code) {
    this.#reader = reader;
    this.#pair = pair;
    this.#x64 = x64;
    this.#isWordy = isWordy(pair.fresh.machine);
    this.#bytes = new ByteResidual(reader, this.#isWordy);
    this.#words = new WordResidual(reader);
  }

  chunk(chunk: Chunk, expectation: Expectation, out: Output): void {
    if (this.#differs(chunk, expectation) === 1) {
      this.#differing(chunk, expectation, out);
      return;
    }
    const bytes = chunk.to - chunk.from;
    this.#bytes.skip(bytes);
    this.#words.skip(bytes >> 2);
    for (let at = chunk.from; at < chunk.to; at++) out.put(expectation.byte(at));
  }

  #differing(chunk: Chunk, expectation: Expectation, out: Output): void {
    const { from, to, section } = chunk;
    const isX64 = isX64Code(this.#pair, chunk.old);
    if (isX64) this.#x64.sync(out);
    const units = this.#units(chunk, out.at);
    for (let at = from; at < to;) {
      if (units && out.at % 4 === 0 && to - at >= 4) {
        const word = this.#words.code(out, units, expectation, at, section);
        this.#bytes.noteWord(word !== expectation.word(at));
        for (let i = 0; i < 4; i++) out.put((word >>> (8 * i)) & 255);
        at += 4;
      } else {
        const field = isX64 ? this.#x64.fieldAt(out.at) : undefined;
        const code = isX64 ? { code: this.#x64, field } : undefined;
        this.#bytes.code(chunk, at, expectation, out, code);
        const byte = out.before(1);
        if (field) advanceField(field, byte);
        if (isX64) this.#x64.advance(byte);
        at++;
      }
    }
  }

  /** Of a chunk whose bytes are instructions of four bytes, as old ones and as new ones. */
  #units(chunk: Chunk, fresh: number): Units | undefined {
    if (!this.#isWordy || (fresh - chunk.old) % 4 !== 0) return undefined;
    const layout = layoutAt(this.#pair, chunk.old);
    return layout === undefined || layout === 'thumb' ? undefined : new Units(layout);
  }

  #differs(chunk: Chunk, expectation: Expectation): number {
    const { from, to, section, risk } = chunk;
    const inFields = Array.from({ length: to - from }, (_, i) => from + i).filter(
      (at) => expectation.kind(at) !== 0,
    );
    const kinds = inFields.reduce((set, at) => set | (1 << ((expectation.kind(at) >> 3) & 15)), 0);
    const worst = Math.max(0, ...inFields.map((at) => sureClass(expectation.sure(at))));
    const { since, gap1, gap2 } = this.#bytes;
    const danger = risk === 0 ? 0 : bitsOf(risk >> 2);
    const h = this.#history;
    const hashes = chunkContexts({
      h,
      since,
      section,
      kinds,
      worst,
      fields: inFields.length,
      danger,
      gap1,
      gap2,
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
    this.#history = u32(h * 2 + differs);
    return differs;
  }
}

/** Class of a confidence: 0 outside of fields to 7. */
function sureClass(confidence: number): number {
  if (confidence === 0) return 0;
  if (confidence >= 50) return 7;
  return confidence === 49 ? 2 : 1 + ((confidence - 1) & 7);
}
