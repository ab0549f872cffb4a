import { DeltaError } from '../errors.ts';
import type { BaseSpace } from './base-space.ts';
import { ByteReader } from './bytes.ts';
import { DiffReader } from './diffs.ts';
import { OP, type FrameStreams } from './frame.ts';
import { PIECE_BYTES } from './limits.ts';

/**
 * Carries out the instructions of one frame: its output in pieces of at most {@link PIECE_BYTES},
 * each a buffer of its own. Throws `bad_format` at the first instruction that breaks FORMAT.md.
 */
export async function* runFrame(
  streams: FrameStreams,
  outputBytes: number,
  space: BaseSpace,
): AsyncGenerator<Buffer> {
  const ops = new ByteReader(streams.ops, 'the instructions of a frame');
  const sources = new ByteReader(streams.sources, 'the sources of a frame');
  const literals = new ByteReader(streams.literals, 'the literals of a frame');
  const diffs = new DiffReader(streams.diffs, streams.gaps);
  let piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, outputBytes));
  let filled = 0;
  let left = outputBytes;
  let predicted = 0;
  while (left > 0) {
    const head = ops.varint(left * 4 + 3);
    const kind = head % 4;
    let length = (head - kind) / 4;
    if (length === 0 || kind > OP.add) {
      throw new DeltaError('bad_format', `a frame holds the unknown instruction ${head}`);
    }
    left -= length;
    const address = kind === OP.literal ? 0 : predicted + sources.zigzag();
    const place = kind === OP.literal ? undefined : space.locate(address, length);
    predicted = (place === undefined ? predicted : address) + length;
    let offset = place?.offset ?? 0;
    while (length > 0) {
      const part = Math.min(length, piece.length - filled);
      const target = piece.subarray(filled, filled + part);
      if (place === undefined) target.set(literals.bytes(part));
      else target.set(await space.read(place.file, offset, part));
      if (kind === OP.add) diffs.addTo(target);
      filled += part;
      offset += part;
      length -= part;
      if (filled === piece.length && (length > 0 || left > 0)) {
        yield piece;
        piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, left + length));
        filled = 0;
      }
    }
  }
  for (const stream of [ops, sources, literals, diffs]) stream.end();
  yield piece;
}
