import type { Readable } from 'node:stream';

import { StorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import type { BodyWriter } from './body-writer.ts';

/** Reading over a gap of this size is quicker than asking a remote store again. */
const JOIN_GAP_BYTES = 128 * 1024;

/** Opens a range; must bring exactly its bytes. */
export type OpenRange = (range: ByteRange, signal: AbortSignal) => Promise<Readable>;

/**
 * Reads ranges in their order out of streams, one stream for all that follow each other closely: a
 * thousand small ranges must not become a thousand requests to the store behind. A stream that
 * brings too much or too little is `corrupt`. Close it.
 */
export class JoinedReader {
  readonly #open: OpenRange;
  readonly #ranges: readonly ByteRange[];
  readonly #signal: AbortSignal;
  #pieces: AsyncIterator<Buffer> | undefined;
  /** Read from the stream, not yet used. */
  #rest: Buffer = Buffer.alloc(0);
  /** The object's byte at which `#rest` begins. */
  #position = 0;
  /** Where the stream ends. */
  #end = 0;

  constructor(open: OpenRange, ranges: readonly ByteRange[], signal: AbortSignal) {
    this.#open = open;
    this.#ranges = ranges;
    this.#signal = signal;
  }

  /** Writes the range of that index; indexes ascend. */
  async send(index: number, body: BodyWriter): Promise<void> {
    const range = this.#ranges[index];
    if (range === undefined) throw new RangeError(`no range ${index}`);
    if (
      this.#pieces === undefined ||
      range.start < this.#position ||
      range.endExclusive > this.#end
    ) {
      await this.#openAt(index, range);
    }
    while (this.#position < range.start) await this.#take(range.start - this.#position);
    while (this.#position < range.endExclusive) {
      await body.bytes(await this.#take(range.endExclusive - this.#position));
    }
    if (this.#position === this.#end) await this.#finish();
  }

  /** Gives up what is open. */
  async close(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = undefined;
    await pieces?.return?.();
  }

  async #openAt(index: number, range: ByteRange): Promise<void> {
    await this.close();
    let end = range.endExclusive;
    for (let after = index + 1; ; after += 1) {
      const next = this.#ranges[after];
      if (next === undefined || next.start < end || next.start - end > JOIN_GAP_BYTES) break;
      end = next.endExclusive;
    }
    const stream = await this.#open({ start: range.start, endExclusive: end }, this.#signal);
    this.#pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.#rest = Buffer.alloc(0);
    this.#position = range.start;
    this.#end = end;
  }

  /** The next bytes of the stream, at most `max`, at least one. */
  async #take(max: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#pieces?.next();
      if (next?.done !== false) {
        throw new StorageError('corrupt', `the range ended at ${this.#position}, not ${this.#end}`);
      }
      this.#rest = next.value;
    }
    const piece = this.#rest.subarray(0, max);
    this.#rest = this.#rest.subarray(piece.length);
    this.#position += piece.length;
    return piece;
  }

  /** Reads to the stream's end: what was read whole can be used again, a connection above all. */
  async #finish(): Promise<void> {
    const next = await this.#pieces?.next();
    if (this.#rest.length > 0 || next?.done === false) {
      throw new StorageError('corrupt', `a range that ends at ${this.#end} brought more`);
    }
    this.#pieces = undefined;
  }
}
