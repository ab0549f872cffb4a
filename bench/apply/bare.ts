import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { OURS, rivulet, type Profile } from '../engine/ours.ts';
import { runCoder } from '../engine/run-coder.ts';
import { makeScratch } from '../scratch.ts';

const ROUNDS = 5;

/**
 * Peak memory of our program when it applies the delta between two empty files, by the coder's
 * name: what is above this in another run is the work's.
 */
export async function bareBytes(
  profiles: readonly Profile[],
): Promise<Readonly<Record<string, number>>> {
  const { path: dir, remove } = await makeScratch('bare');
  try {
    const empty = join(dir, 'empty');
    await writeFile(empty, '');
    const sha256 = createHash('sha256').digest('hex');
    const bare: Record<string, number> = {};
    for (const profile of profiles) {
      const task = { oldFile: empty, newFile: empty, sha256 };
      const outcome = await runCoder(rivulet({ profile, proof: false }), task, ROUNDS);
      if (outcome.state === 'failed') throw new Error(`two empty files: ${outcome.reason}`);
      bare[OURS[profile]] = outcome.decode.peakBytes;
    }
    return bare;
  } finally {
    await remove();
  }
}
