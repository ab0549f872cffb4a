import { createCut, type ChunkSizes } from '../../storage/chunk/fastcdc.ts';
import { CHUNK_LEVEL } from '../../storage/chunk/chunk-packer.ts';
import { digestOf } from '../../storage/digest.ts';
import { TarWalk } from '../../storage/tar/tar-walk.ts';
import { compressFrame } from '../../storage/zstd.ts';

const KIB = 1024;
export const SWEEP: readonly ChunkSizes[] = [4, 8, 16, 32, 64].map((min) => ({
  min: min * KIB,
  average: 4 * min * KIB,
  max: 16 * min * KIB,
}));

export interface SweepResult {
  readonly sizes: ChunkSizes;
  /** Bytes of frames of the first tar, and of all that the others add. */
  readonly firstBytes: number;
  readonly addedBytes: number;
  /** Chunks of all tars, each index's counted: a device reads 38 bytes for each. */
  readonly chunks: number;
  /** Chunks that are stored: a row each. */
  readonly rows: number;
}

/** Bytes in packs when tars are cut into chunks of other sizes, files of at least the smallest by themselves. */
export async function measureSizes(
  sizes: ChunkSizes,
  tars: readonly Buffer[],
): Promise<SweepResult> {
  const cut = createCut(sizes);
  const known = new Set<string>();
  const added: number[] = [];
  let chunks = 0;
  for (const tar of tars) {
    const fresh: Buffer[] = [];
    for (const [start, end] of runsOf(tar, sizes.min)) {
      for (let at = start; at < end;) {
        const length = cut(tar, at, end);
        const bytes = tar.subarray(at, at + length);
        at += length;
        chunks += 1;
        const name = digestOf(bytes);
        if (known.has(name)) continue;
        known.add(name);
        fresh.push(bytes);
      }
    }
    const frames = await Promise.all(fresh.map((bytes) => compressFrame(bytes, CHUNK_LEVEL)));
    added.push(frames.reduce((sum, frame) => sum + frame.length, 0));
  }
  const [firstBytes = 0, ...others] = added;
  const addedBytes = others.reduce((sum, bytes) => sum + bytes, 0);
  return { sizes, firstBytes, addedBytes, chunks, rows: known.size };
}

function runsOf(tar: Buffer, least: number): readonly (readonly [number, number])[] {
  const ends: number[] = [];
  const walk = new TarWalk(({ payloadStart, size, storesPayload }) => {
    if (storesPayload && size >= least) ends.push(payloadStart, payloadStart + size);
  });
  walk.push(tar);
  const all = [...ends.filter((end) => end < tar.length), tar.length];
  return all.map((end, index) => [all[index - 1] ?? 0, end] as const);
}
