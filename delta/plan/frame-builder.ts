import { ByteWriter } from '../format/bytes.ts';
import { DiffWriter } from '../format/diffs.ts';
import { OP, type FrameStreams } from '../format/frame.ts';

/** Turns instructions and bytes into the streams of one frame after another (FORMAT.md, "Frames"). */
export class FrameBuilder {
  readonly #ops = new ByteWriter();
  readonly #sources = new ByteWriter();
  readonly #literals = new ByteWriter();
  readonly #diffs = new DiffWriter();
  #op: { literal: boolean; address: number; length: number; differs: boolean } | undefined;
  #predicted = 0;
  #outputBytes = 0;
  #workBytes = 0;

  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Bytes of output that are not plain copies: what fills the streams. */
  get workBytes(): number {
    return this.#workBytes;
  }

  literal(bytes: Buffer): void {
    if (this.#op?.literal !== true) this.#open(true, 0);
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
    };
  }

  /** Ends the frame's last instruction; the views are valid until `clear`. */
  finish(): Omit<FrameStreams, 'notes'> {
    this.#close();
    this.#diffs.flush();
    return {
      ops: this.#ops.view(),
      sources: this.#sources.view(),
      diffs: this.#diffs.diffs.view(),
      gaps: this.#diffs.gaps.view(),
      literals: this.#literals.view(),
    };
  }

  clear(): void {
    for (const writer of [this.#ops, this.#sources, this.#literals, this.#diffs]) writer.clear();
    this.#op = undefined;
    this.#predicted = 0;
    this.#outputBytes = 0;
    this.#workBytes = 0;
  }

  #source(address: number): void {
    const op = this.#op;
    if (op?.literal === false && op.address + op.length === address) return;
    this.#open(false, address);
  }

  #open(literal: boolean, address: number): void {
    this.#close();
    this.#op = { literal, address, length: 0, differs: false };
  }

  #grow(length: number): void {
    if (this.#op !== undefined) this.#op.length += length;
    this.#outputBytes += length;
  }

  #close(): void {
    const op = this.#op;
    if (op === undefined || op.length === 0) return;
    const kind = op.literal ? OP.literal : op.differs ? OP.add : OP.copy;
    this.#ops.varint(op.length * 4 + kind);
    if (!op.literal) this.#sources.zigzag(op.address - this.#predicted);
    this.#predicted = (op.literal ? this.#predicted : op.address) + op.length;
    this.#op = undefined;
  }
}

export type StreamWeights = Readonly<
  Record<'ops' | 'sources' | 'diffs' | 'gaps' | 'literals', number>
>;
