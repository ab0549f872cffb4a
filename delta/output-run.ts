import { createHash, type Hash } from 'node:crypto';

import { DigestHasher, digestAlgorithm } from '../storage/digest.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { checkAborted, DeltaError } from './errors.ts';
import type { BaseSpace } from './format/base-space.ts';
import { readFrameHead, readFrameStreams, type FrameHead } from './format/frame.ts';
import type { OutputFacts } from './format/header.ts';
import { PIECE_BYTES } from './format/limits.ts';
import { runFrame } from './format/run-frame.ts';
import { TAG_BYTES } from './format/tag.ts';

/** Makes one output, frame after frame, from any frame on. */
export class OutputRun {
  readonly #source: RandomAccess;
  readonly #output: OutputFacts;
  readonly #space: BaseSpace;
  readonly #signal: AbortSignal | undefined;
  readonly #hasher: DigestHasher;
  #frameOffset: number;

  constructor(
    source: RandomAccess,
    frameOffset: number,
    output: OutputFacts,
    space: BaseSpace,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#frameOffset = frameOffset;
    this.#output = output;
    this.#space = space;
    this.#signal = signal;
    this.#hasher = new DigestHasher(digestAlgorithm(output.diffId));
  }

  /** Bytes of output so far. */
  get done(): number {
    return this.#hasher.size;
  }

  /** Where the next frame begins in the delta. */
  get frameOffset(): number {
    return this.#frameOffset;
  }

  /** Skips the frames whose output is there already and right. */
  async resume(existing: RandomAccess): Promise<void> {
    while (this.done < this.#output.size) {
      const head = await this.#nextHead();
      if (this.done + head.outputBytes > existing.size) return;
      if (!(await this.#matches(existing, head))) return;
      await this.#replay(existing, this.done, head.outputBytes);
      this.#frameOffset = head.endOffset;
    }
  }

  /** The rest of the output. Each frame is checked when its last piece was given out, the whole at the end. */
  async *pieces(): AsyncGenerator<Buffer> {
    while (this.done < this.#output.size) {
      const head = await this.#nextHead();
      const streams = await readFrameStreams(this.#source, head);
      const hash = createHash('sha256');
      for await (const piece of runFrame(streams, head.outputBytes, this.#space)) {
        checkAborted(this.#signal, 'applying the delta');
        hash.update(piece);
        this.#hasher.update(piece);
        yield piece;
      }
      if (!tagOf(hash).equals(head.tag)) {
        throw this.#mismatch(
          `the frame at byte ${this.#frameOffset} gives other bytes than it should`,
        );
      }
      this.#frameOffset = head.endOffset;
    }
    const found = this.#hasher.digest();
    if (found !== this.#output.diffId) throw this.#mismatch(`the whole has the digest ${found}`);
  }

  async #nextHead(): Promise<FrameHead> {
    const head = await readFrameHead(this.#source, this.#frameOffset);
    if (this.done + head.outputBytes > this.#output.size) {
      throw new DeltaError(
        'bad_format',
        `the frame at byte ${this.#frameOffset} goes past the ${this.#output.size} bytes of ${this.#output.diffId}`,
      );
    }
    return head;
  }

  async #matches(existing: RandomAccess, head: FrameHead): Promise<boolean> {
    const hash = createHash('sha256');
    for (let at = 0; at < head.outputBytes; at += PIECE_BYTES) {
      checkAborted(this.#signal, 'resuming the delta');
      hash.update(
        await existing.read(this.done + at, Math.min(PIECE_BYTES, head.outputBytes - at)),
      );
    }
    return tagOf(hash).equals(head.tag);
  }

  async #replay(existing: RandomAccess, start: number, length: number): Promise<void> {
    for (let at = 0; at < length; at += PIECE_BYTES) {
      this.#hasher.update(await existing.read(start + at, Math.min(PIECE_BYTES, length - at)));
    }
  }

  #mismatch(problem: string): DeltaError {
    return new DeltaError(
      'output_mismatch',
      `${this.#output.diffId}: ${problem}: the delta or its base is damaged`,
      { detail: { diffId: this.#output.diffId, frameOffset: this.#frameOffset } },
    );
  }
}

function tagOf(hash: Hash): Buffer {
  return hash.digest().subarray(0, TAG_BYTES);
}
