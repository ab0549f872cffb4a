// New bytes that no block covers (CODING.md, "Literals").

import type { BitReader } from './bit-reader.ts';
import { ByteLiterals } from './byte-literals.ts';
import { Bytes } from './bytes.ts';
import { isWordy, isX64Code, layoutAt } from './code-layout.ts';
import { InstructionRun } from './instruction-run.ts';
import { OldView } from './old-view.ts';
import { Output } from './output.ts';
import { imageAt, type Pair } from './pair.ts';
import type { PlainStreams } from './plain-streams.ts';
import type { Sample } from './priming.ts';
import { Neighbour } from './neighbour.ts';
import type { Targets } from './targets.ts';
import type { Teacher } from './teacher.ts';
import { WordLiterals } from './word-literals.ts';
import { type Layout, Units } from './word-units.ts';
import type { X64Code } from './x64-code.ts';

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
  train(sample: Sample): void;
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

/** What code a run is of. */
interface RunCode {
  readonly isX64: boolean;
  readonly layout: Layout | undefined;
}

/** Small profile: bytes, and instructions where those of A64 and Arm are. */
export class MixedLiterals implements Literals {
  readonly #reader: BitReader;
  readonly #pair: Pair;
  readonly #view: OldView;
  readonly #x64: X64Code;
  readonly #bytes: ByteLiterals;
  readonly #words = new WordLiterals();

  constructor(reader: BitReader, pair: Pair, targets: Targets, x64: X64Code) {
    this.#reader = reader;
    this.#pair = pair;
    this.#view = new OldView(pair, targets);
    this.#x64 = x64;
    this.#bytes = new ByteLiterals(reader, x64, pair.fresh.machine);
  }

  run(run: Run, out: Output): void {
    const old = run.after !== undefined && run.after > 0 ? run.after - 1 : run.until;
    this.#run(run, out, this.#codeAt(old), undefined);
  }

  train(sample: Sample): void {
    const { old, bytes } = sample;
    const address = imageAt(this.#pair, old)?.addressOf(old) ?? 0xffffffff;
    const run = { end: bytes.length, after: undefined, until: undefined };
    const out = new Output(new Uint8Array(bytes.length), 0);
    const teacher = { bytes: new Bytes(bytes), address };
    this.#x64.forget();
    this.#run(run, out, this.#codeAt(old), teacher);
    this.#x64.forget();
    this.#bytes.forgetPlaces();
    this.#words.forgetPlaces();
  }

  #codeAt(old: number | undefined): RunCode {
    if (old === undefined) return { isX64: false, layout: undefined };
    const hasWords = isWordy(this.#pair.fresh.machine);
    return {
      isX64: isX64Code(this.#pair, old),
      layout: hasWords ? layoutAt(this.#pair, old) : undefined,
    };
  }

  #run(run: Run, out: Output, code: RunCode, teacher: Teacher | undefined): void {
    const { end } = run;
    // Bytes and instructions follow the old ones each for themselves.
    const beside = () => ({
      after: new Neighbour(this.#view, run.after, out.at),
      until: new Neighbour(this.#view, run.until, end),
    });
    const bytes = { ...beside(), end, isX64: code.isX64, teacher };
    const units = code.layout && new Units(code.layout);
    const instructions =
      units && new InstructionRun(this.#reader, units, this.#words, beside(), teacher);
    const wordsAt = units ? this.#words.begin(out, units) : end;
    if (code.isX64) this.#x64.sync(out);
    this.#bytes.begin(out);
    while (out.at < end) {
      const isWord = out.at >= wordsAt && end - out.at >= 4;
      if (isWord && instructions) instructions.next(out);
      else this.#bytes.next(out, bytes);
    }
  }
}
