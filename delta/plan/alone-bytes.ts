import type { RandomAccess } from '../../storage/random-access.ts';
import { compressFrame } from '../../storage/zstd.ts';
import type { Effort } from '../format/stream.ts';

const PIECE_BYTES = 4 * 1024 * 1024;
/** The strongest level makes at least this much of what the quickest one makes, on all but odd inputs. */
const STRONGEST_SHARE = 1 / 4;
const QUICKEST_LEVEL = 1;

/** True if `codedBytes` are so few that the new bytes, compressed by themselves, hardly take less. */
export async function isFarBelow(codedBytes: number, fresh: RandomAccess): Promise<boolean> {
  return codedBytes <= (await compressedBytes(fresh, QUICKEST_LEVEL)) * STRONGEST_SHARE;
}

/** True if `codedBytes` are fewer than the new bytes take compressed by themselves. */
export async function isWorthIt(
  codedBytes: number,
  fresh: RandomAccess,
  effort: Effort,
): Promise<boolean> {
  if (await isFarBelow(codedBytes, fresh)) return true;
  return codedBytes < (await compressedBytes(fresh, effort.zstdLevel));
}

async function compressedBytes(source: RandomAccess, level: number): Promise<number> {
  let sum = 0;
  for (let at = 0; at < source.size; at += PIECE_BYTES) {
    const piece = await source.read(at, Math.min(PIECE_BYTES, source.size - at));
    sum += (await compressFrame(piece, level)).length;
  }
  return sum;
}
