// New bytes that no block covers (CODING.md, "Literals").

import type { BitReader, BitSource } from './bit-reader.ts';
import { literalContexts, LITERALS, literalSets, steadyContexts } from './literal-contexts.ts';
import { Mixer } from './mixer.ts';
import { NO_BYTE, OldView } from './old-view.ts';
import { Output } from './output.ts';
import type { PlainStreams } from './plain-streams.ts';
import { RecentPlaces } from './recent-places.ts';
import { u32 } from './word.ts';

/** A run of literals: its end, and the old offsets beside the blocks before and after it. */
export interface Run {
  readonly end: number;
  /** The old byte that follows the block before. */
  readonly after: number | undefined;
  /** The first old byte of the next block. */
  readonly until: number | undefined;
}

export interface Literals {
  run(run: Run, out: Output): void;
  /** Learns from old code. */
  train(sample: Uint8Array): void;
}

/** Fast profile: as they are. */
export class PlainLiterals implements Literals {
  readonly #streams: PlainStreams;

  constructor(streams: PlainStreams) {
    this.#streams = streams;
  }

  run(run: Run, out: Output): void {
    out.putAll(this.#streams.bytes('literals', run.end - out.at));
  }

  train(): void {
    // Nothing learns.
  }
}

/** An old place that is followed, and which of its last bytes were not the new ones. */
interface Neighbour {
  readonly exists: boolean;
  /** Old minus new offset. */
  shift: number;
  misses: number;
}

/** Small profile. */
export class MixedLiterals implements Literals {
  readonly #reader: BitReader;
  readonly #view: OldView;
  readonly #isWordy: boolean;
  readonly #mixer = new Mixer(LITERALS);
  #places = new RecentPlaces();

  constructor(reader: BitReader, view: OldView, isWordy: boolean) {
    this.#reader = reader;
    this.#view = view;
    this.#isWordy = isWordy;
  }

  run(run: Run, out: Output): void {
    this.#run(run, out, () => this.#reader.next);
  }

  train(sample: Uint8Array): void {
    const out = new Output(new Uint8Array(sample), 0);
    this.#places = new RecentPlaces();
    this.#run({ end: sample.length, after: undefined, until: undefined }, out, (at) =>
      bitsOfByte(sample[at] ?? 0),
    );
    this.#places = new RecentPlaces();
  }

  #run(run: Run, out: Output, source: (at: number) => BitSource): void {
    const after = neighbour(run.after, out.at);
    const until = neighbour(run.until, run.end);
    this.#places.begin(out);
    while (out.at < run.end) this.#byte(out, after, until, source(out.at));
  }

  #byte(out: Output, after: Neighbour, until: Neighbour, source: BitSource): void {
    const n = out.at;
    const match = this.#places.expected(out);
    const c = Array.from({ length: 7 }, (_, back) => (back === 0 ? 0 : out.before(back)));
    const [, c1 = 0, c2 = 0, c3 = 0] = c;
    const a = after.exists ? this.#view.byte(u32(n + after.shift), n) : NO_BYTE;
    const u = until.exists ? this.#view.byte(u32(n + until.shift), n) : NO_BYTE;
    const alignment = this.#isWordy ? n & 3 : 0;
    const next = u32(n + after.shift + 1);
    const facts = {
      n,
      c,
      a,
      u,
      afterMisses: after.misses,
      untilMisses: until.misses,
      nextOld: a < NO_BYTE ? this.#view.plain(next) : 0,
      isWordy: this.#isWordy,
      alignment,
      top: after.exists ? this.#view.plainOrNone(u32(next - 1 - alignment + 3)) : 0,
      lastTop: this.#isWordy ? out.before(1 + alignment) : 0,
      match,
    };
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
    const byte = symbol & 255;
    out.put(byte);
    this.#places.learn(byte);
    after.misses = u32(after.misses * 2 + (a === byte ? 0 : 1));
    until.misses = u32(until.misses * 2 + (u === byte ? 0 : 1));
    if (after.exists && a !== byte && (after.misses & 15) === 15) {
      this.#realign(after, n, [byte, c1, c2, c3]);
    }
  }

  /** Follows insertions and deletions: looks nearby for the last four bytes. */
  #realign(after: Neighbour, n: number, last: readonly number[]): void {
    const from = u32(n + after.shift);
    for (let distance = 1; distance <= 12; distance++) {
      for (const old of [u32(from - distance), u32(from + distance)]) {
        if (old < 3 || old >= this.#view.oldBytes) continue;
        if (!last.every((byte, back) => this.#view.plain(old - back) === byte)) continue;
        after.shift = u32(old - n);
        after.misses = 1;
        return;
      }
    }
  }
}

function neighbour(old: number | undefined, at: number): Neighbour {
  return { exists: old !== undefined, shift: u32((old ?? 0) - at), misses: 0xff };
}

/** Gives the bits of a byte, the highest first, whatever their probability. */
function bitsOfByte(byte: number): BitSource {
  let bit = 8;
  return () => (byte >> --bit) & 1;
}
