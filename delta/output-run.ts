import { createHash, type Hash } from 'node:crypto';

import { DigestHasher, digestAlgorithm } from '../storage/digest.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { hashRange } from './digest-range.ts';
import type { PairDecoder } from './engine/pair-decoder.ts';
import { checkAborted, DeltaError } from './errors.ts';
import type { BaseSpace } from './format/base-space.ts';
import { digestFromTag, isDigestOf, type OutputFacts } from './format/facts.ts';
import { readFrameStreams } from './format/frame.ts';
import { readFrameHead, type FrameHead } from './format/frame-head.ts';
import { ModelRun } from './format/model-run.ts';
import { PieceBuffers } from './format/piece-buffers.ts';
import { runFrame } from './format/run-frame.ts';
import { TAG_BYTES } from './format/tag.ts';

/**
 * Of so many frames one has its tag checked as it is made: enough to tell another base soon, while the
 * digest of the whole tells every wrong byte. The rest of the tags are for going on after a power cut.
 */
const CHECKED_FRAMES = 8;

/** Makes one output, frame after frame, from any frame on. */
export class OutputRun {
  readonly #source: RandomAccess;
  readonly #output: OutputFacts;
  readonly #space: BaseSpace;
  readonly #signal: AbortSignal | undefined;
  readonly #hasher: DigestHasher;
  readonly #version: 1 | 2;
  readonly #models: ModelRun | undefined;
  #frameOffset: number;

  constructor(
    source: RandomAccess,
    version: 1 | 2,
    frameOffset: number,
    output: OutputFacts,
    space: BaseSpace,
    load: () => Promise<PairDecoder>,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#version = version;
    this.#models = version === 1 ? undefined : new ModelRun(source, space, output.size, load);
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
      const range = { start: this.done, length: head.outputBytes };
      const { diffId } = this.#output;
      const frame = new DigestHasher(head.tag === undefined ? digestAlgorithm(diffId) : 'sha256');
      await hashRange(existing, range, [frame], { signal: this.#signal });
      const promised = head.tag === undefined ? diffId : digestFromTag(head.tag);
      if (!isDigestOf(promised, frame.digest())) return;
      await hashRange(existing, range, [this.#hasher], { signal: this.#signal });
      this.#frameOffset = head.endOffset;
    }
  }

  /**
   * The rest of the output; a piece is valid until the next but one is asked for. The first frame and
   * each eighth after it is checked when its last piece was given out, the whole at the end.
   */
  async *pieces(): AsyncGenerator<Buffer> {
    const buffers = new PieceBuffers();
    for (let frame = 0; this.done < this.#output.size; frame += 1) {
      const head = await this.#nextHead();
      const streams = await readFrameStreams(this.#source, head);
      await this.#models?.begin(head, this.#frameOffset);
      const tag = frame % CHECKED_FRAMES === 0 ? head.tag : undefined;
      const hash = tag === undefined ? undefined : createHash('sha256');
      const made = runFrame(streams, head.outputBytes, this.#space, this.#models, buffers);
      for await (const piece of made) {
        checkAborted(this.#signal, 'applying the delta');
        hash?.update(piece);
        this.#hasher.update(piece);
        yield piece;
      }
      if (hash !== undefined && tag?.equals(tagOf(hash)) !== true) {
        throw this.#mismatch(
          `the frame at byte ${this.#frameOffset} gives other bytes than it should`,
        );
      }
      this.#frameOffset = head.endOffset;
    }
    const found = this.#hasher.digest();
    if (!isDigestOf(this.#output.diffId, found)) {
      throw this.#mismatch(`the whole has the digest ${found}`);
    }
  }

  async #nextHead(): Promise<FrameHead> {
    const place = { version: this.#version, done: this.done, size: this.#output.size };
    return readFrameHead(this.#source, this.#frameOffset, place);
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
