import { setImmediate } from 'node:timers/promises';

import type { RandomAccess } from '../../storage/random-access.ts';
import type { PairDecoder } from '../engine/pair-decoder.ts';
import { DeltaError } from '../errors.ts';
import type { BaseSpace } from './base-space.ts';
import { ByteReader } from './bytes.ts';
import { readFrameHead, streamOffset, type FrameHead } from './frame-head.ts';
import { readPairRecord, readSetHeads, type PairProfile, type PairRecord } from './pairs.ts';
import { METHOD } from './stream-head.ts';
import { unpackStream } from './stream.ts';

/** The longest heads of a stream set. */
const SET_HEAD_BYTES = 1 + 4 * (8 + 8);

/** A stretch of the delta that is read from its beginning on. */
interface Cursor {
  readonly start: number;
  at: number;
  readonly end: number;
}

/**
 * Makes the new bytes of an output's pairs, frame after frame, from any frame on (FORMAT.md, "pairs",
 * "model"). Coded bytes go from the delta into the decoder piece by piece: no stream is held.
 */
export class ModelRun {
  readonly #source: RandomAccess;
  readonly #space: BaseSpace;
  readonly #outputSize: number;
  readonly #load: () => Promise<PairDecoder>;
  #decoder: PairDecoder | undefined;
  /** The pair that is open, and the frame in which it began. */
  #pair: (PairRecord & { readonly frame: number }) | undefined;
  /** New bytes of the pair so far; the end of the section that is open, or 0. */
  #made = 0;
  #sectionEnd = 0;
  /** False until a frame was run: only then what is open is not known. */
  #hasBegun = false;
  /** Bytes that the decoder made and nobody took yet. */
  #ready: Buffer = Buffer.alloc(0);
  #frame = 0;
  #pairs: Cursor = { start: 0, at: 0, end: 0 };
  #sets: Cursor = { start: 0, at: 0, end: 0 };

  /** `load` gives the decoder; it may be one that other outputs used before. */
  constructor(
    source: RandomAccess,
    space: BaseSpace,
    outputSize: number,
    load: () => Promise<PairDecoder>,
  ) {
    this.#load = load;
    this.#source = source;
    this.#space = space;
    this.#outputSize = outputSize;
  }

  /** Before the first instruction of the frame at `offset`. */
  async begin(head: FrameHead, offset: number): Promise<void> {
    if (head.streams.model.rawBytes > 0) {
      if (head.back > 0 && !this.#hasBegun) await this.#reopen(offset - head.back, head.from);
      const { frame, made } = {
        frame: this.#pair?.frame ?? offset,
        made: this.#pair && this.#made,
      };
      if (offset - frame !== head.back || (made ?? 0) !== head.from) {
        throw broken(`the frame at byte ${offset} goes on with a pair that is not open`);
      }
      this.#hasBegun = true;
    }
    this.#frame = offset;
    this.#pairs = cursor(head, 'pairs');
    this.#sets = cursor(head, 'model');
  }

  /** True if the frame that was begun has coded sections. */
  get hasStream(): boolean {
    return this.#sets.end > this.#sets.start;
  }

  /** Fills `target` with the next new bytes. */
  async take(target: Buffer): Promise<void> {
    for (let filled = 0; filled < target.length;) {
      if (this.#ready.length === 0) await this.#make();
      const bytes = Math.min(this.#ready.length, target.length - filled);
      this.#ready.copy(target, filled, 0, bytes);
      this.#ready = this.#ready.subarray(bytes);
      filled += bytes;
    }
  }

  /** After the last instruction: nothing may be left, and no section goes on. */
  end(): void {
    if (this.#sectionEnd > 0) this.#finishSection();
    const { at, end } = this.#pairs;
    if (at !== end || this.#sets.at !== this.#sets.end) {
      throw broken(`the frame at byte ${this.#frame} has coded bytes that nothing asks for`);
    }
  }

  async #make(): Promise<void> {
    if (this.#sectionEnd > 0 && this.#made === this.#sectionEnd) this.#finishSection();
    if (this.#pair === undefined) await this.#openNext();
    const decoder = this.#decoder;
    const pair = this.#pair;
    if (decoder === undefined || pair === undefined) throw broken('no pair is open');
    if (this.#sectionEnd === 0) {
      await this.#putIn(decoder, this.#sets, pair.profile);
      const end = decoder.section(this.#made);
      if (end <= this.#made || end > pair.newBytes) throw broken(`a section ends at ${end}`);
      this.#sectionEnd = end;
    }
    const ready = decoder.next();
    if (ready.length === 0 || ready.length > this.#sectionEnd - this.#made) {
      throw broken(`a section makes ${ready.length} bytes too few or too many`);
    }
    this.#made += ready.length;
    this.#ready = ready;
    // The decoder holds up everything else: give others their turn.
    await setImmediate();
  }

  /** The section must be complete, taken, and its coded bytes used up. */
  #finishSection(): void {
    const isComplete = this.#made === this.#sectionEnd && this.#ready.length === 0;
    if (!isComplete || this.#decoder?.next().length !== 0) {
      throw broken(`a section of the frame at byte ${this.#frame} is not used up`);
    }
    this.#sectionEnd = 0;
    if (this.#made === this.#pair?.newBytes) this.#pair = undefined;
  }

  async #openNext(): Promise<void> {
    await this.#open(await this.#readRecord(this.#pairs), this.#pairs, this.#frame);
  }

  async #open(record: PairRecord, control: Cursor, frame: number): Promise<void> {
    this.#decoder ??= await this.#load();
    this.#decoder.open(record);
    await this.#putIn(this.#decoder, control, record.profile);
    this.#decoder.control();
    this.#pair = { ...record, frame };
    this.#made = 0;
  }

  /** Opens the pair that began last in the frame at `frame`, of which `from` bytes are made. */
  async #reopen(frame: number, from: number): Promise<void> {
    const place = { version: 2, done: 0, size: Number.MAX_SAFE_INTEGER } as const;
    const pairs = cursor(await readFrameHead(this.#source, frame, place), 'pairs');
    let record: PairRecord | undefined;
    let control = pairs;
    while (pairs.at < pairs.end) {
      record = await this.#readRecord(pairs);
      control = { ...pairs };
      const reader = await this.#reader(pairs, SET_HEAD_BYTES);
      const heads = readSetHeads(reader, record.profile, pairs.end - pairs.at);
      pairs.at += reader.offset + heads.reduce((sum, head) => sum + head.storedBytes, 0);
    }
    if (record === undefined || from === 0 || from >= record.newBytes) {
      throw broken(`the frame at byte ${frame} begins no pair to go on with`);
    }
    await this.#open(record, control, frame);
    this.#made = from;
  }

  async #readRecord(from: Cursor): Promise<PairRecord> {
    const reader = await this.#reader(from, RECORD_BYTES);
    const record = readPairRecord(reader, this.#space, this.#outputSize);
    from.at += reader.offset;
    return record;
  }

  /** Reads a stream set and puts its streams into the decoder. */
  async #putIn(decoder: PairDecoder, from: Cursor, profile: PairProfile): Promise<void> {
    const reader = await this.#reader(from, SET_HEAD_BYTES);
    const heads = readSetHeads(reader, profile, from.end - from.at);
    from.at += reader.offset;
    for (const [index, head] of heads.entries()) {
      if (head.storedBytes > from.end - from.at) throw broken('a stream ends too early');
      if (head.method === METHOD.zstd || head.method === METHOD.brotli) {
        const raw = await unpackStream(head, await this.#source.read(from.at, head.storedBytes));
        decoder.input(index, head.rawBytes).set(raw);
      } else {
        this.#source.readSync(from.at, decoder.input(index, head.rawBytes));
      }
      from.at += head.storedBytes;
    }
  }

  async #reader({ at, end }: Cursor, most: number): Promise<ByteReader> {
    const bytes = await this.#source.read(at, Math.min(most, end - at));
    return new ByteReader(bytes, `the pairs of the frame at byte ${this.#frame}`);
  }
}

/** The longest record: 1024 ranges of two numbers. */
const RECORD_BYTES = 8 + 1024 * 16 + 8;

function cursor(head: FrameHead, name: 'pairs' | 'model'): Cursor {
  const at = streamOffset(head, name);
  return { start: at, at, end: at + head.streams[name].storedBytes };
}

function broken(problem: string): DeltaError {
  return new DeltaError('bad_format', problem);
}
