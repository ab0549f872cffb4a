import { ByteWriter } from '../format/bytes.ts';
import { DiffWriter } from '../format/diffs.ts';
import type { FrameContent } from '../format/frame.ts';
import { OP } from '../format/frame-head.ts';
import { writeStreamSet } from '../format/pairs.ts';
import type { PackedStream } from '../format/stream.ts';
import { sumStored, type EncodedPair, type EncodedSection } from './encoded-pair.ts';

interface StreamSet {
  readonly pair: EncodedPair;
  readonly streams: readonly PackedStream[];
}

/** Turns instructions and bytes into the streams of one frame after another (FORMAT.md, "Frames"). */
export class FrameBuilder {
  readonly #ops = new ByteWriter();
  readonly #sources = new ByteWriter();
  readonly #literals = new ByteWriter();
  readonly #diffs = new DiffWriter();
  readonly #records: (StreamSet & { readonly record: Buffer })[] = [];
  readonly #sections: StreamSet[] = [];
  #op: Op | undefined;
  #pairsCost = 0;
  #modelCost = 0;
  #modelBytes = 0;
  #predicted = 0;
  #outputBytes = 0;
  #workBytes = 0;
  #isOneOp = true;

  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Bytes of output that are not plain copies: what fills the streams. */
  get workBytes(): number {
    return this.#workBytes;
  }

  /** Bytes of output that pairs make. */
  get modelBytes(): number {
    return this.#modelBytes;
  }

  /** Begins a pair; `record` is what stands before its control. */
  pair(record: Buffer, pair: EncodedPair): void {
    this.#records.push({ record, pair, streams: pair.control });
    this.#pairsCost += record.length + sumStored(pair.control);
  }

  /** Begins a section of the pair. */
  section(pair: EncodedPair, { streams }: EncodedSection): void {
    this.#sections.push({ pair, streams });
  }

  /** Bytes of the section that was begun last, and their share of its stored bytes. */
  model(length: number, cost: number): void {
    if (this.#op?.kind !== 'model') this.#open('model', 0);
    this.#grow(length);
    this.#modelBytes += length;
    this.#modelCost += cost;
  }

  literal(bytes: Buffer): void {
    if (this.#op?.kind !== 'literal') this.#open('literal', 0);
    this.#literals.bytes(bytes);
    this.#grow(bytes.length);
    this.#workBytes += bytes.length;
  }

  /** Bytes of the base that are known to be the new ones. */
  copy(address: number, length: number): void {
    this.#source(address);
    if (this.#op?.differs === true) this.#diffs.zeros(length);
    this.#grow(length);
  }

  /** Bytes of the base and the new bytes that are made of them. */
  add(address: number, old: Buffer, fresh: Buffer): void {
    this.#source(address);
    const op = this.#op;
    if (op?.differs === false && !old.equals(fresh)) {
      op.differs = true;
      this.#diffs.zeros(op.length);
    }
    if (op?.differs === true) {
      for (let at = 0; at < fresh.length; at += 1) {
        this.#diffs.difference(((fresh[at] ?? 0) - (old[at] ?? 0)) & 0xff);
      }
    }
    this.#grow(fresh.length);
    this.#workBytes += fresh.length;
  }

  /** Bytes in the streams so far, for sharing out the frame's cost. */
  weights(): StreamWeights {
    return {
      ops: this.#ops.length,
      sources: this.#sources.length,
      diffs: this.#diffs.diffs.length,
      gaps: this.#diffs.gaps.length,
      literals: this.#literals.length,
      pairs: this.#pairsCost,
      model: this.#modelCost,
    };
  }

  /** Ends the frame's last instruction; the views are valid until `clear`. */
  finish(): FrameContent {
    const isOnly = this.#isOneOp && (this.#op?.kind === 'model' || this.#op?.kind === 'literal');
    if (!isOnly) this.#close();
    this.#diffs.flush();
    return {
      ...this.#packSets(),
      ops: this.#ops.view(),
      sources: this.#sources.view(),
      diffs: this.#diffs.diffs.view(),
      gaps: this.#diffs.gaps.view(),
      literals: this.#literals.view(),
    };
  }

  clear(): void {
    for (const writer of [this.#ops, this.#sources, this.#literals, this.#diffs]) writer.clear();
    this.#records.length = 0;
    this.#sections.length = 0;
    this.#op = undefined;
    this.#isOneOp = true;
    this.#pairsCost = 0;
    this.#modelCost = 0;
    this.#modelBytes = 0;
    this.#predicted = 0;
    this.#outputBytes = 0;
    this.#workBytes = 0;
  }

  #packSets(): Pick<FrameContent, 'pairs' | 'model'> {
    const pairs = new ByteWriter();
    this.#records.forEach(({ record, pair, streams }, n) => {
      pairs.bytes(record);
      writeStreamSet(pairs, pair.profile, streams, n === this.#records.length - 1);
    });
    const model = new ByteWriter();
    this.#sections.forEach(({ pair, streams }, n) => {
      writeStreamSet(model, pair.profile, streams, n === this.#sections.length - 1);
    });
    return { pairs: pairs.view(), model: model.view() };
  }

  #source(address: number): void {
    const op = this.#op;
    if (op?.kind === 'old' && op.address + op.length === address) return;
    this.#open('old', address);
  }

  #open(kind: Op['kind'], address: number): void {
    if (this.#op !== undefined) this.#isOneOp = false;
    this.#close();
    this.#op = { kind, address, length: 0, differs: false };
  }

  #grow(length: number): void {
    if (this.#op !== undefined) this.#op.length += length;
    this.#outputBytes += length;
  }

  #close(): void {
    const op = this.#op;
    if (op === undefined || op.length === 0) return;
    const isOld = op.kind === 'old';
    const kind = isOld ? (op.differs ? OP.add : OP.copy) : OP[op.kind];
    this.#ops.varint(op.length * 4 + kind);
    if (isOld) this.#sources.zigzag(op.address - this.#predicted);
    this.#predicted = (isOld ? op.address : this.#predicted) + op.length;
    this.#op = undefined;
  }
}

/** The instruction that grows; `old` is a copy or, once a byte differs, an add. */
interface Op {
  readonly kind: 'literal' | 'model' | 'old';
  readonly address: number;
  length: number;
  differs: boolean;
}

export type StreamWeights = Readonly<
  Record<'ops' | 'sources' | 'diffs' | 'gaps' | 'literals' | 'pairs' | 'model', number>
>;
