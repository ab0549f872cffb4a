import { BytePair } from './byte-pair.ts';
import { TRIPLE_BYTES, type Segment } from './segment.ts';

/** Bytes of the stream that {@link formatBsdiff} makes. */
export function bsdiffBytes(segments: readonly Segment[]): number {
  return segments.reduce(
    (total, { diffLength, extraLength }) => total + TRIPLE_BYTES + diffLength + extraLength,
    0,
  );
}

/**
 * The bsdiff stream that makes the new bytes of the old ones, as libostree's bundled bspatch reads it:
 * no header, nothing compressed; for each segment the length of its diff, the length of its extra and
 * how far to seek in the old bytes afterwards, then the diff (new less old, modulo 256), then the extra.
 * `nextOldOffset`: where the old bytes go on after the last segment, if the stream does.
 */
export function formatBsdiff(
  old: Uint8Array,
  fresh: Uint8Array,
  segments: readonly Segment[],
  nextOldOffset?: number,
): Buffer {
  const stream = Buffer.allocUnsafe(bsdiffBytes(segments));
  const pair = new BytePair(old, fresh);
  let at = 0;
  let newOffset = 0;
  segments.forEach(({ oldOffset, diffLength, extraLength }, position) => {
    const end = oldOffset + diffLength;
    const next = segments[position + 1]?.oldOffset ?? nextOldOffset ?? end;
    writeNumber(stream, at, diffLength);
    writeNumber(stream, at + 8, extraLength);
    writeNumber(stream, at + 16, next - end);
    at += TRIPLE_BYTES;
    pair.subtract(oldOffset, newOffset, stream.subarray(at, at + diffLength));
    at += diffLength;
    newOffset += diffLength;
    stream.set(fresh.subarray(newOffset, newOffset + extraLength), at);
    at += extraLength;
    newOffset += extraLength;
  });
  return stream;
}

/** Eight bytes, sign and magnitude, least significant first. */
function writeNumber(to: Buffer, at: number, value: number): void {
  const size = Math.abs(value);
  to.writeUInt32LE(size % 2 ** 32, at);
  to.writeUInt32LE(Math.floor(size / 2 ** 32) + (value < 0 ? 2 ** 31 : 0), at + 4);
}
