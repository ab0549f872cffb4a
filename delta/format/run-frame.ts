import { DeltaError } from '../errors.ts';
import type { BaseSpace } from './base-space.ts';
import { ByteReader } from './bytes.ts';
import { DiffReader } from './diffs.ts';
import type { FrameStreams } from './frame.ts';
import { OP } from './frame-head.ts';
import type { ModelRun } from './model-run.ts';
import type { PieceBuffers } from './piece-buffers.ts';

/**
 * Carries out the instructions of one frame: its output in pieces, each in the buffer
 * whose turn it is: a piece is valid until the next but one is asked for. Without `models` (version 1) there is no model instruction. Throws `bad_format` at the first
 * instruction that breaks FORMAT.md.
 */
export async function* runFrame(
  streams: FrameStreams,
  outputBytes: number,
  space: BaseSpace,
  models: ModelRun | undefined,
  buffers: PieceBuffers,
): AsyncGenerator<Buffer> {
  const sources = new ByteReader(streams.sources, 'the sources of a frame');
  const literals = new ByteReader(streams.literals, 'the literals of a frame');
  const diffs = new DiffReader(streams.diffs, streams.gaps);
  const ops = new Instructions(streams, outputBytes, models);
  let piece = buffers.take();
  let filled = 0;
  let predicted = 0;
  for (;;) {
    const op = ops.next();
    if (op === undefined) break;
    const isOld = op.kind === OP.copy || op.kind === OP.add;
    const address = isOld ? predicted + sources.zigzag() : 0;
    const place = isOld ? space.locate(address, op.length) : undefined;
    predicted = (isOld ? address : predicted) + op.length;
    let offset = place?.offset ?? 0;
    for (let left = op.length; left > 0;) {
      const part = Math.min(left, piece.length - filled);
      const target = piece.subarray(filled, filled + part);
      if (place !== undefined) space.readSync(place.file, offset, target);
      else if (op.kind === OP.literal) target.set(literals.bytes(part));
      else await models?.take(target);
      if (op.kind === OP.add) diffs.addTo(target);
      filled += part;
      offset += part;
      left -= part;
      if (filled === piece.length && (left > 0 || ops.left > 0)) {
        yield piece;
        piece = buffers.take();
        filled = 0;
      }
    }
  }
  for (const stream of [ops, sources, literals, diffs]) stream.end();
  models?.end();
  yield piece.subarray(0, filled);
}

/** The instructions of a frame, bounded. */
class Instructions {
  readonly #reader: ByteReader;
  readonly #models: boolean;
  /** What a frame without instructions is. */
  readonly #only: number | undefined;
  /** Bytes of output that no instruction so far makes. */
  left: number;

  constructor(streams: FrameStreams, outputBytes: number, models: ModelRun | undefined) {
    this.#reader = new ByteReader(streams.ops, 'the instructions of a frame');
    this.#models = models !== undefined;
    this.left = outputBytes;
    if (streams.ops.length === 0 && models !== undefined) {
      this.#only = models.hasStream ? OP.model : OP.literal;
    }
  }

  next(): { readonly kind: number; readonly length: number } | undefined {
    if (this.left === 0) return undefined;
    if (this.#only !== undefined) {
      const length = this.left;
      this.left = 0;
      return { kind: this.#only, length };
    }
    const head = this.#reader.varint(this.left * 4 + 3);
    const kind = head % 4;
    const length = (head - kind) / 4;
    if (length === 0 || (kind === OP.model && !this.#models)) {
      throw new DeltaError('bad_format', `a frame holds the unknown instruction ${head}`);
    }
    this.left -= length;
    return { kind, length };
  }

  end(): void {
    this.#reader.end();
  }
}
