import type { BaseSpace } from '../format/base-space.ts';
import { ByteWriter } from '../format/bytes.ts';
import { writePairRecord } from '../format/pairs.ts';
import type { EncodedPair, EncodedSection } from './encoded-pair.ts';
import type { FrameBuilder } from './frame-builder.ts';
import type { ModelInstruction } from './instruction.ts';

interface OpenPair {
  readonly pair: EncodedPair;
  /** Number of the frame in which it began. */
  readonly frame: number;
  /** Number of the next section. */
  section: number;
  made: number;
}

/** Follows an output's pairs through its frames: which is open, and where it stands. */
export class PairCursor {
  readonly #space: BaseSpace;
  readonly #bases: readonly number[];
  readonly #outputSize: number;
  #open: OpenPair | undefined;
  #section: EncodedSection | undefined;
  /** What was open when the frame began. */
  #before: { readonly pairFrame: number | undefined; readonly from: number } = NOTHING_OPEN;

  constructor(space: BaseSpace, bases: readonly number[], outputSize: number) {
    this.#space = space;
    this.#bases = bases;
    this.#outputSize = outputSize;
  }

  /** True if bytes of the section are missing: then the frame must go on. */
  get isInSection(): boolean {
    return this.#section !== undefined && (this.#open?.made ?? 0) < this.#section.end;
  }

  /**
   * Begins the pair and the section that the instruction needs, where they are not begun; returns how
   * many bytes the section has left.
   */
  enter(instruction: ModelInstruction, done: number, builder: FrameBuilder, frame: number): number {
    const from = instruction.from + done;
    if (from === 0 && this.#open === undefined) {
      this.#open = { pair: instruction.pair, frame, section: 0, made: 0 };
      builder.pair(this.#record(instruction.pair), instruction.pair);
    }
    const open = this.#open;
    if (open?.pair !== instruction.pair || open.made !== from) {
      throw new RangeError(`a pair's bytes are not asked for in their order (at ${from})`);
    }
    if (!this.isInSection) {
      const section = open.pair.sections[open.section];
      if (section?.start !== from) throw new RangeError(`a pair has no section at ${from}`);
      open.section += 1;
      this.#section = section;
      builder.section(open.pair, section);
    }
    return (this.#section?.end ?? from) - from;
  }

  /** Counts bytes of the section that was entered. */
  take(length: number, builder: FrameBuilder): void {
    const open = this.#open;
    const section = this.#section;
    if (open === undefined || section === undefined) throw new RangeError('no section is open');
    open.made += length;
    builder.model(length, (section.storedBytes * length) / (section.end - section.start));
    if (open.made === section.end) this.#section = undefined;
    if (open.made === open.pair.newBytes) this.#open = undefined;
  }

  /** Ends a frame; what its head has to say of the pair that was open before it. */
  nextFrame(hasModel: boolean): {
    readonly pairFrame: number | undefined;
    readonly from: number;
  } {
    const before = hasModel ? this.#before : NOTHING_OPEN;
    this.#before =
      this.#open === undefined
        ? NOTHING_OPEN
        : { pairFrame: this.#open.frame, from: this.#open.made };
    return before;
  }

  #record({ profile, sources, newBytes }: EncodedPair): Buffer {
    const placed = sources.map(({ base, offset, length }) => ({
      address: this.#space.start(this.#bases[base] ?? 0) + offset,
      length,
    }));
    const out = new ByteWriter();
    writePairRecord(out, { profile, sources: placed, newBytes }, this.#space, this.#outputSize);
    return out.view();
  }
}

const NOTHING_OPEN = { pairFrame: undefined, from: 0 } as const;
