import { describe, expect, it } from 'vitest';

import { ByteQueue } from '../../../storage/chunk/byte-queue.ts';
import { unzstd } from '../../../storage/chunk/unzstd.ts';
import { compressFrame } from '../../../storage/zstd.ts';
import { collect, noise, readable } from './material.ts';

/** A clock that moves on by `stepMs` each time it is read. */
function ticking(stepMs: number): () => number {
  let nowMs = 0;
  return () => (nowMs += stepMs);
}

describe('unzstd', () => {
  it('refuses a frame that takes more time than its bytes are worth', async () => {
    const raw = noise(6_000_000, 'time');
    const frame = await compressFrame(raw, 1);
    const open = (stepMs: number): Promise<Buffer> =>
      collect(unzstd(new ByteQueue(readable(frame), 'layer'), ticking(stepMs)));
    expect((await open(1000)).equals(raw)).toBe(true);
    await expect(open(20_000)).rejects.toMatchObject({ code: 'too_large' });
  });

  it('counts each frame on its own', async () => {
    const raw = noise(5_000_000, 'many');
    const frame = await compressFrame(raw, 1);
    const frames = Buffer.concat([frame, frame, frame, frame]);
    const out = await collect(unzstd(new ByteQueue(readable(frames), 'layer'), ticking(3000)));
    expect(out.length).toBe(4 * raw.length);
  });
});
