import { createHash, type Hash } from 'node:crypto';

import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { checkAborted } from '../errors.ts';
import type { BaseSpace } from '../format/base-space.ts';
import { formatFrame, type PackedFrame } from '../format/frame.ts';
import { FRAME_OUTPUT_BYTES, FRAME_WORK_BYTES, PIECE_BYTES } from '../format/limits.ts';
import type { Effort } from '../format/stream.ts';
import { TAG_BYTES } from '../format/tag.ts';
import { FrameBuilder } from './frame-builder.ts';
import { FrameNotes } from './frame-notes.ts';
import type { Instruction, Part } from './instruction.ts';

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

/** The frames of one output, in order. The next one is built while the last one is compressed. */
export async function* encodeOutput(input: EncodeInput): AsyncGenerator<PackedFrame> {
  let packing: Promise<PackedFrame> | undefined;
  for await (const frame of new OutputEncoder(input).frames()) {
    // Awaited one round later: until then a failure must not count as unhandled.
    frame.packed.catch(() => undefined);
    if (packing !== undefined) yield await packing;
    packing = frame.packed;
  }
  if (packing !== undefined) yield await packing;
}

class OutputEncoder {
  readonly #input: EncodeInput;
  readonly #builder = new FrameBuilder();
  #notes = new FrameNotes();
  #hash: Hash = createHash('sha256');
  #at = 0;

  constructor(input: EncodeInput) {
    this.#input = input;
  }

  async *frames(): AsyncGenerator<{ readonly packed: Promise<PackedFrame> }> {
    for (const part of this.#input.parts) {
      for (const instruction of part.instructions) {
        for (let done = 0; done < instruction.length;) {
          const length = this.#room(instruction, done);
          const before = this.#builder.weights();
          await this.#piece(instruction, done, length);
          this.#notes.add(part, length, before, this.#builder.weights());
          done += length;
          if (this.#isFull()) yield { packed: this.#pack() };
        }
      }
    }
    if (this.#builder.outputBytes > 0) yield { packed: this.#pack() };
  }

  #room({ kind, length }: Instruction, done: number): number {
    const room = FRAME_OUTPUT_BYTES - this.#builder.outputBytes;
    const work = kind === 'copy' ? room : FRAME_WORK_BYTES - this.#builder.workBytes;
    return Math.min(length - done, PIECE_BYTES, room, work);
  }

  #isFull(): boolean {
    const { outputBytes, workBytes } = this.#builder;
    return outputBytes >= FRAME_OUTPUT_BYTES || workBytes >= FRAME_WORK_BYTES;
  }

  async #piece(instruction: Instruction, done: number, length: number): Promise<void> {
    const { output, space, bases, signal, onBytes } = this.#input;
    checkAborted(signal, 'building the delta');
    const fresh = await output.read(this.#at, length);
    this.#hash.update(fresh);
    this.#at += length;
    if (instruction.kind === 'literal') this.#builder.literal(fresh);
    else {
      const file = bases[instruction.base] ?? 0;
      const offset = instruction.offset + done;
      const address = space.start(file) + offset;
      if (instruction.kind === 'copy') this.#builder.copy(address, length);
      else this.#builder.add(address, await space.read(file, offset, length), fresh);
    }
    onBytes?.(length);
  }

  #pack(): Promise<PackedFrame> {
    const views = this.#builder.finish();
    const streams = {
      ops: Buffer.from(views.ops),
      sources: Buffer.from(views.sources),
      diffs: Buffer.from(views.diffs),
      gaps: Buffer.from(views.gaps),
      literals: Buffer.from(views.literals),
    };
    const notes = this.#notes;
    const raw = this.#builder.weights();
    const packed = formatFrame(
      this.#builder.outputBytes,
      this.#hash.digest().subarray(0, TAG_BYTES),
      streams,
      (stored) => notes.format(raw, stored),
      this.#input.effort,
    );
    this.#builder.clear();
    this.#notes = new FrameNotes();
    this.#hash = createHash('sha256');
    return packed;
  }
}
