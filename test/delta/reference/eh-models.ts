import type { BitReader } from './bit-reader.ts';
import type { EhProgram } from './eh-program.ts';
import { Mixer } from './mixer.ts';
import type { PlainStreams } from './plain-streams.ts';
import { check, hash, u32 } from './word.ts';

/** What a decision is about. */
export const EhFlag = {
  leave: 0,
  found: 1,
  inserted: 2,
  backwards: 3,
  /** + 4 * kind + how the record was named. */
  same: 4,
  length: 20,
  digit: 21,
} as const;

/** What a byte of a record is known by. */
export interface EhByteFacts {
  readonly field: number;
  readonly state: number;
  /** The predicted bytes: here, the one after, the one before. */
  readonly expected: number;
  readonly next: number;
  readonly last: number;
  /** The last four coded bytes, the latest lowest. */
  readonly before: number;
  readonly program: EhProgram;
}

export abstract class EhModels {
  abstract flag(id: number, history: number, a?: number, b?: number, c?: number): number;
  abstract byte(facts: EhByteFacts): number;

  /** A number below 2^24: the gamma code of the number + 1. */
  number(context: number): number {
    let n = 1;
    while (this.flag(EhFlag.length, n, Math.min(n, 15), context) !== 0) {
      check(++n <= 24, 'number too long');
    }
    let prefix = 1;
    for (let i = n - 2; i >= 0; i--) {
      const known = i < n - 4 ? 0 : prefix;
      prefix = u32(2 * prefix + this.flag(EhFlag.digit, known, n, i, context));
    }
    return u32(prefix - 1);
  }
}

/** Fast profile. */
export class PlainEhModels extends EhModels {
  readonly #streams: PlainStreams;

  constructor(streams: PlainStreams) {
    super();
    this.#streams = streams;
  }

  override flag(): number {
    return this.#streams.byte('numbers');
  }

  override byte({ expected }: EhByteFacts): number {
    return (this.#streams.byte('values') + expected) & 255;
  }
}

/** Small profile. */
export class MixedEhModels extends EhModels {
  readonly #reader: BitReader;
  readonly #flags = new Mixer({
    contexts: 8,
    tableBits: 14,
    sets: [64, 16],
    finals: 1,
    refine: 256,
    limit: 30,
  });
  readonly #bytes = new Mixer({
    contexts: 20,
    tableBits: 17,
    sets: [1024, 64, 256],
    finals: 1,
    refine: 512,
    limit: 60,
  });
  /** A bit for each byte that was not the expected one, the latest lowest. */
  #missed = 0;

  constructor(reader: BitReader) {
    super();
    this.#reader = reader;
  }

  override flag(id: number, history: number, a = 0, b = 0, c = 0): number {
    const near = history & 7;
    const hashes = [
      hash(id, 1, history & 1),
      hash(id, 2, history & 255),
      hash(id, 3, a, history & 1),
      hash(id, 4, b),
      hash(id, 5, c, a),
      hash(id, 6, a, b),
      hash(id, 7, c, history & 3),
      hash(id, 8, history & 0xffff),
    ];
    return this.#flags.code(
      hashes,
      { sets: [(id & 7) * 8 + near, Math.min(a, 15)], refine: [id * 8 + near, a] },
      this.#reader.next,
    );
  }

  override byte(facts: EhByteFacts): number {
    const { field, state, expected } = facts;
    let prefix = 1;
    for (let i = 7; i >= 0; i--) {
      const isOpen = (expected | 256) >> (i + 1) === prefix;
      const e = isOpen ? 1 + ((expected >> i) & 1) : 0;
      const decision = this.#bytes.code(
        byteContexts(facts, prefix, e, i, this.#missed),
        {
          sets: [(field & 3) * 256 + prefix, e * 16 + (this.#missed & 15), Math.min(state, 255)],
          refine: [field * 4 + e, hash(3, prefix, expected)],
        },
        this.#reader.next,
      );
      prefix = 2 * prefix + decision;
    }
    const byte = prefix & 255;
    this.#missed = u32(2 * this.#missed + (byte === expected ? 0 : 1));
    return byte;
  }
}

/** `e` is what the expected byte says of the bit: 0 nothing, 1 it is 0, 2 it is 1. */
function byteContexts(
  facts: EhByteFacts,
  prefix: number,
  e: number,
  bit: number,
  missed: number,
): number[] {
  const { field, state, expected, next, last, before, program } = facts;
  const one = before & 255;
  const two = before & 0xffff;
  return [
    hash(1, prefix, field),
    hash(2, prefix, field, expected),
    hash(3, prefix, expected | (one << 8), field),
    hash(4, prefix, two),
    hash(5, prefix, before & 0xffffff),
    hash(6, prefix, expected | (next << 8), one),
    hash(7, e, missed & 255, field),
    hash(8, e, missed & 15, bit),
    hash(9, prefix, state, expected),
    hash(10, prefix, state, one),
    hash(11, e, missed & 0xffff),
    hash(12, e, expected, state),
    hash(13, e, missed & 3, expected | (next << 8)),
    hash(14, prefix, expected | (last << 8), two),
    hash(15, e, two, missed & 1),
    hash(16, prefix, state | (two & 0xff00), (before >>> 16) & 255),
    hash(17, prefix, state | ((program.operations & 0xffff) << 8), program.frameOffset),
    hash(18, prefix, state | (program.operations << 8), e),
    hash(19, prefix, state | (program.hash << 8), expected),
    hash(20, prefix, state | (program.advances << 8), program.frameOffset),
  ];
}
