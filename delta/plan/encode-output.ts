import { createHash, type Hash } from 'node:crypto';

import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { checkAborted } from '../errors.ts';
import type { BaseSpace } from '../format/base-space.ts';
import { joinFrame, packFrame, type PackedFrame } from '../format/frame.ts';
import {
  FRAME_MODEL_BYTES,
  FRAME_OUTPUT_BYTES,
  FRAME_WORK_BYTES,
  PIECE_BYTES,
} from '../format/limits.ts';
import type { Effort } from '../format/stream.ts';
import { TAG_BYTES } from '../format/tag.ts';
import type { EncodedPair } from './encoded-pair.ts';
import { FrameBuilder } from './frame-builder.ts';
import { FrameNotes } from './frame-notes.ts';
import type { Instruction, Part } from './instruction.ts';
import { PairCursor } from './pair-cursor.ts';

export interface EncodeInput extends IoOptions {
  readonly parts: readonly Part[];
  /** The new bytes that the parts make. */
  readonly output: RandomAccess;
  /** The base files that instructions name; unused ones have no address in `space`. */
  readonly space: BaseSpace;
  /** Number in `space` of each base file. */
  readonly bases: readonly number[];
  readonly effort: Effort;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface EncodedFrame {
  readonly bytes: Buffer;
  /** Memory that applying takes for its streams. */
  readonly ramBytes: number;
  /** True if applying it needs the engine. */
  readonly hasModel: boolean;
}

/** A frame on its way; `pairFrame` is the number of the frame in which the open pair began. */
interface PendingFrame {
  readonly packed: Promise<PackedFrame>;
  readonly isLast: boolean;
  readonly pairFrame: number | undefined;
  readonly from: number;
}

/** The frames of one output, in order. The next one is built while the last one is compressed. */
export async function* encodeOutput(input: EncodeInput): AsyncGenerator<EncodedFrame> {
  const offsets = [0];
  const join = async (frame: PendingFrame): Promise<EncodedFrame> => {
    const packed = await frame.packed;
    const at = offsets.at(-1) ?? 0;
    const back = frame.pairFrame === undefined ? 0 : at - (offsets[frame.pairFrame] ?? 0);
    const isFirst = offsets.length === 1;
    const bytes = joinFrame(packed, { back, from: frame.from, isFirst, isLast: frame.isLast });
    offsets.push(at + bytes.length);
    return { bytes, ramBytes: packed.ramBytes, hasModel: packed.streams.model.rawBytes > 0 };
  };
  let pending: PendingFrame | undefined;
  for await (const frame of new OutputEncoder(input).frames()) {
    // Awaited one round later: until then a failure must not count as unhandled.
    frame.packed.catch(() => undefined);
    if (pending !== undefined) yield await join(pending);
    pending = frame;
  }
  if (pending !== undefined) yield await join(pending);
}

class OutputEncoder {
  readonly #input: EncodeInput;
  readonly #builder = new FrameBuilder();
  readonly #pairs: PairCursor;
  #notes = new FrameNotes();
  #hash: Hash = createHash('sha256');
  #at = 0;
  #frame = 0;

  constructor(input: EncodeInput) {
    this.#input = input;
    this.#pairs = new PairCursor(input.space, input.bases, input.output.size);
  }

  async *frames(): AsyncGenerator<PendingFrame> {
    for (const part of this.#input.parts) {
      for (const instruction of part.instructions) {
        for (let done = 0; done < instruction.length;) {
          if (this.#mustCut(instruction, done)) yield this.#pack();
          const before = this.#builder.weights();
          const length = await this.#piece(instruction, done);
          this.#notes.add(part, length, before, this.#builder.weights());
          done += length;
        }
      }
    }
    if (this.#builder.outputBytes > 0) yield this.#pack();
  }

  /** A frame ends when it is full, but never within a section. */
  #mustCut(instruction: Instruction, done: number): boolean {
    const { outputBytes, workBytes, modelBytes } = this.#builder;
    if (outputBytes === 0 || this.#pairs.isInSection) return false;
    const next =
      instruction.kind === 'model' ? sectionBytes(instruction.pair, instruction.from + done) : 0;
    return (
      outputBytes >= FRAME_OUTPUT_BYTES ||
      workBytes >= FRAME_WORK_BYTES ||
      (next > 0 && modelBytes + next > FRAME_MODEL_BYTES)
    );
  }

  async #piece(instruction: Instruction, done: number): Promise<number> {
    const { output, space, bases, signal, onBytes } = this.#input;
    checkAborted(signal, 'building the delta');
    const builder = this.#builder;
    const left = instruction.length - done;
    const room = this.#pairs.isInSection ? left : FRAME_OUTPUT_BYTES - builder.outputBytes;
    const length =
      instruction.kind === 'model'
        ? Math.min(left, PIECE_BYTES, this.#pairs.enter(instruction, done, builder, this.#frame))
        : Math.min(left, PIECE_BYTES, room);
    const fresh = await output.read(this.#at, length);
    this.#hash.update(fresh);
    this.#at += length;
    onBytes?.(length);
    if (instruction.kind === 'literal') builder.literal(fresh);
    else if (instruction.kind === 'model') this.#pairs.take(length, builder);
    else {
      const file = bases[instruction.base] ?? 0;
      const offset = instruction.offset + done;
      const address = space.start(file) + offset;
      if (instruction.kind === 'copy') builder.copy(address, length);
      else builder.add(address, await space.read(file, offset, length), fresh);
    }
    return length;
  }

  #pack(): PendingFrame {
    const views = this.#builder.finish();
    const content = {
      ops: Buffer.from(views.ops),
      sources: Buffer.from(views.sources),
      diffs: Buffer.from(views.diffs),
      gaps: Buffer.from(views.gaps),
      literals: Buffer.from(views.literals),
      pairs: Buffer.from(views.pairs),
      model: Buffer.from(views.model),
    };
    const notes = this.#notes;
    const raw = { ...this.#builder.weights(), ops: content.ops.length };
    const packed = packFrame(
      this.#builder.outputBytes,
      this.#hash.digest().subarray(0, TAG_BYTES),
      content,
      (stored) => notes.format(raw, stored),
      this.#input.effort,
    );
    const open = this.#pairs.nextFrame(content.model.length > 0);
    this.#builder.clear();
    this.#notes = new FrameNotes();
    this.#hash = createHash('sha256');
    this.#frame += 1;
    return { packed, isLast: this.#at === this.#input.output.size, ...open };
  }
}

function sectionBytes(pair: EncodedPair, from: number): number {
  const section = pair.sections.find(({ start }) => start === from);
  return section === undefined ? 0 : section.end - section.start;
}
