import { BitReader } from './bit-reader.ts';
import { Mixer } from './mixer.ts';
import type { PlainStreams } from './plain-streams.ts';
import { bitsOf, check, hash, u32 } from './word.ts';

/** The numbers of control, each with an id and three contexts. */
export abstract class Numbers {
  abstract next(id: number, c1?: number, c2?: number, c3?: number): number;

  /** Zigzag. */
  signed(id: number, c1 = 0, c2 = 0, c3 = 0): number {
    const zigzag = this.next(id, c1, c2, c3);
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }
}

/** Fast profile: LEB128. */
export class PlainNumbers extends Numbers {
  readonly #streams: PlainStreams;

  constructor(streams: PlainStreams) {
    super();
    this.#streams = streams;
  }

  override next(): number {
    return this.#streams.number('numbers');
  }
}

/** Small profile: Elias gamma codes of the number + 1, bit by bit (CODING.md, "Numbers"). */
export class MixedNumbers extends Numbers {
  readonly #reader: BitReader;
  readonly #mixer = new Mixer({
    contexts: 5,
    tableBits: 16,
    sets: [64, 24],
    finals: 1,
    refine: 64,
    limit: 30,
  });

  constructor(reader: BitReader) {
    super();
    this.#reader = reader;
  }

  override next(id: number, c1 = 0, c2 = 0, c3 = 0): number {
    let n = 1;
    while (this.#isLonger(id, n, c1, c2, c3) === 1) check(++n <= 32, 'number too long');
    let prefix = 1;
    for (let i = n - 2; i >= 0; i--) {
      prefix = u32(2 * prefix + this.#digit(id, n, i, prefix, c1, c2, c3));
    }
    return prefix - 1;
  }

  #isLonger(id: number, n: number, c1: number, c2: number, c3: number): number {
    const hashes = [
      hash(id, n, 1),
      hash(id, n, 2, c1),
      hash(id, n, 3, c2),
      hash(id, n, c1, c2 + 77),
      hash(id, n, c3, 5),
    ];
    return this.#mixer.code(
      hashes,
      { sets: [id, Math.min(n, 23)], refine: [id, n] },
      this.#reader.next,
    );
  }

  #digit(
    id: number,
    n: number,
    i: number,
    prefix: number,
    c1: number,
    c2: number,
    c3: number,
  ): number {
    const known = bitsOf(prefix) <= 4 ? prefix : 0;
    const step = n * 64 + i;
    const hashes = [
      hash(id + 100, step, known),
      hash(id + 101, step, known, c1),
      hash(id + 102, step, known, c2),
      i < 3 ? hash(id + 103, i, n > 3 ? 1 : 0) : hash(id + 103, 9, n),
      hash(id + 104, step, prefix, c3),
    ];
    return this.#mixer.code(
      hashes,
      { sets: [id, Math.min(i, 23)], refine: [id, 32 + Math.min(i, 30)] },
      this.#reader.next,
    );
  }
}
