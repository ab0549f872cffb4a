// A section of the new file: blocks, literals and holes, coded without knowledge of other sections.

import type { Block } from './block-map.ts';
import { makeEhTable } from './eh-table.ts';
import { EhFrame } from './eh-frame.ts';
import type { EhModels } from './eh-models.ts';
import { Expectation } from './expectation.ts';
import { FieldPrediction } from './field-prediction.ts';
import type { Hole } from './head.ts';
import { Machine } from './image.ts';
import type { Literals } from './literals.ts';
import type { Output } from './output.ts';
import { imageAt, type Pair } from './pair.ts';
import { samplesOf } from './priming.ts';
import type { Chunk, Residual } from './residual.ts';
import { ShortPrediction, ShortTrust } from './short-prediction.ts';
import type { Targets } from './targets.ts';
import type { X64Branches } from './x64-branches.ts';
import { check, u32 } from './word.ts';

const SECTION_BYTES = 4 << 20;
const CHUNK = 32;
const EH_FRAME = 1;
const EH_FRAME_HDR = 2;

/** The models of a profile. */
export interface SectionModels {
  readonly residual: Residual;
  readonly literals: Literals;
  /** New ones for each .eh_frame. */
  readonly ehModels: () => EhModels;
  /** Where x86-64 fields led. */
  readonly branches: X64Branches;
}

/** Where the section that begins at `from` ends: about 4 MiB on, but never inside of a run of holes. */
export function endOfSection(from: number, newBytes: number, holes: readonly Hole[]): number {
  if (newBytes - from <= SECTION_BYTES) return newBytes;
  let end = from + SECTION_BYTES;
  for (const [i, hole] of holes.entries()) {
    const before = holes[i - 1];
    const start = before?.kind === EH_FRAME_HDR ? before.fresh : hole.fresh;
    if (start >= end || hole.fresh + hole.bytes <= end) continue;
    end = start > from ? start : hole.fresh + hole.bytes;
  }
  return end;
}

export class Section {
  readonly #pair: Pair;
  readonly #models: SectionModels;
  readonly #targets: Targets;
  readonly #trust = new ShortTrust();
  readonly #out: Output;
  readonly #end: number;
  #ehFrame: EhFrame | undefined;

  constructor(pair: Pair, targets: Targets, models: SectionModels, out: Output, end: number) {
    this.#pair = pair;
    this.#targets = targets;
    this.#models = models;
    this.#out = out;
    this.#end = end;
  }

  /** Makes all bytes of the section. */
  make(): void {
    for (const sample of samplesOf(this.#pair, this.#countLiterals())) {
      this.#models.literals.train(sample);
    }
    while (this.#out.at < this.#end) this.#unit();
  }

  /** New bytes that neither blocks nor holes cover. */
  #countLiterals(): number {
    const { start } = this.#out;
    const end = this.#end;
    let count = end - start;
    for (const { fresh, length } of this.#pair.blocks) {
      if (fresh < end && fresh + length > start) {
        count -= Math.min(fresh + length, end) - Math.max(fresh, start);
      }
    }
    for (const hole of this.#pair.holes) {
      if (hole.fresh >= start && hole.fresh < end) count -= hole.bytes;
    }
    return u32(count);
  }

  #unit(): void {
    const { at } = this.#out;
    const { holes, blocks } = this.#pair;
    const index = holes.findIndex((one) => one.fresh + one.bytes > at);
    const hole = holes[index];
    if (hole?.fresh === at) {
      this.#hole(hole, holes[index + 1]);
      return;
    }
    const bound = hole ? Math.min(hole.fresh, this.#end) : this.#end;
    const next = blocks.findIndex((one) => one.fresh + one.length > at);
    const block = blocks[next];
    if (block && block.fresh <= at) {
      const skip = at - block.fresh;
      const length = Math.min(block.fresh + block.length, bound) - at;
      this.#block({ fresh: at, old: block.old + skip, length });
      return;
    }
    const before = block ? blocks[next - 1] : blocks.at(-1);
    const end = block ? Math.min(block.fresh, bound) : bound;
    const after = before && u32(before.old + (at - before.fresh));
    const until = block && u32(block.old - (block.fresh - end));
    this.#models.literals.run({ end, after, until }, this.#out);
  }

  #block(block: Block): void {
    const { old, fresh, length } = block;
    const expectation = new Expectation(this.#pair.old.array.subarray(old, old + length));
    const fields = new FieldPrediction(
      this.#pair,
      this.#targets,
      this.#models.branches,
      this.#out,
      expectation,
      fresh,
      old,
    );
    const image = imageAt(this.#pair, old);
    const hasShorts = image !== undefined && image.machine !== Machine.a64;
    const shorts = hasShorts
      ? new ShortPrediction(this.#pair, this.#trust, expectation, block, image)
      : undefined;
    // Chunks end at new offsets that are multiples of 4.
    for (let from = 0; from < length;) {
      const to = Math.min(from + CHUNK - ((fresh + from) & 3), length);
      const risk = fields.predict(from, to);
      shorts?.predict(from, to);
      this.#models.residual.chunk(this.#chunk(from, to, old, risk), expectation, this.#out);
      fields.learn(to);
      shorts?.learn(this.#out, to);
      from = to;
    }
  }

  #chunk(from: number, to: number, blockOld: number, risk: number): Chunk {
    const old = blockOld + from;
    const section = imageAt(this.#pair, old)?.sectionAt(old);
    return {
      from,
      to,
      old,
      section: section ? section.number + 1 : 0,
      sectionStart: section?.offset ?? old,
      entryBytes: section?.entry ?? 0,
      risk,
    };
  }

  #hole(hole: Hole, next: Hole | undefined): void {
    if (hole.kind === EH_FRAME) {
      this.#ehFrame ??= this.#frame(hole);
      this.#out.putAll(this.#ehFrame.bytes.array);
      this.#ehFrame = undefined;
      return;
    }
    check(hole.kind === EH_FRAME_HDR && next?.kind === EH_FRAME, 'kind of a hole');
    check(next.fresh === hole.fresh + hole.bytes, 'table apart from its records');
    this.#ehFrame = this.#frame(next);
    const address = this.#pair.fresh.addressOf(hole.fresh);
    this.#out.putAll(makeEhTable(this.#ehFrame, address, hole.bytes).array);
  }

  #frame(hole: Hole): EhFrame {
    return new EhFrame(this.#pair, hole, this.#targets, this.#models.ehModels());
  }
}
