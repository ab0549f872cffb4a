import { ByteQueue } from '../storage/chunk/byte-queue.ts';
import { unzstd } from '../storage/chunk/unzstd.ts';
import { DigestHasher, digestAlgorithm } from '../storage/digest.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { checkAborted, DeltaError } from './errors.ts';
import { isDigestOf, type OutputFacts } from './format/facts.ts';
import { PIECE_BYTES } from './format/limits.ts';

/** Makes an output that the delta holds compressed as a whole. It cannot go on with a part of it. */
export class WholeRun {
  readonly #source: RandomAccess;
  readonly #start: number;
  readonly #output: OutputFacts;
  readonly #signal: AbortSignal | undefined;
  readonly #hasher: DigestHasher;

  constructor(
    source: RandomAccess,
    start: number,
    output: OutputFacts,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#start = start;
    this.#output = output;
    this.#signal = signal;
    this.#hasher = new DigestHasher(digestAlgorithm(output.diffId));
  }

  /** Bytes of output so far. */
  get done(): number {
    return this.#hasher.size;
  }

  /** Where the delta goes on after this output. */
  get frameOffset(): number {
    return this.#source.size;
  }

  /** Nothing of what is there can be told to be right. */
  resume(_existing: RandomAccess): Promise<void> {
    return Promise.resolve();
  }

  async *pieces(): AsyncGenerator<Buffer> {
    const { size, diffId } = this.#output;
    const queue = new ByteQueue(this.#stored(), 'the delta');
    for await (const bytes of unzstd(queue)) {
      checkAborted(this.#signal, 'applying the delta');
      if (this.done + bytes.length > size) {
        throw new DeltaError(
          'bad_format',
          `the delta holds more than the ${size} bytes of ${diffId}`,
        );
      }
      this.#hasher.update(bytes);
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    const made = this.done;
    const found = this.#hasher.digest();
    if (made !== size || !isDigestOf(diffId, found)) {
      throw new DeltaError(
        'output_mismatch',
        `${diffId}: the delta gives ${made} bytes with the digest ${found}: it is damaged`,
        { detail: { diffId } },
      );
    }
  }

  async *#stored(): AsyncGenerator<Buffer> {
    for (let at = this.#start; at < this.#source.size; at += PIECE_BYTES) {
      yield await this.#source.read(at, Math.min(PIECE_BYTES, this.#source.size - at));
    }
  }
}
