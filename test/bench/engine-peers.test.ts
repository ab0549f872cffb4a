import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { findPeers, PEER_NAMES } from '../../bench/engine/peers.ts';
import { runCoder } from '../../bench/engine/run-coder.ts';

const BYTES = 1_000_000;

/** Bytes that do not compress, the same on every run. */
function noise(seed: string, bytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(bytes / 64) }, (_, index) =>
    createHash('sha512').update(`${seed} ${index}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, bytes);
}

describe('the peers', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-peers-'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(dir, { recursive: true, force: true });
  });

  it('that are installed give the new file back from a delta that is small', async () => {
    const [oldFile, newFile] = [join(dir, 'old'), join(dir, 'new')];
    const old = noise('old', BYTES);
    const fresh = Buffer.concat([
      old.subarray(0, BYTES / 2),
      noise('b', 99),
      old.subarray(BYTES / 2),
    ]);
    await writeFile(oldFile, old);
    await writeFile(newFile, fresh);
    const sha256 = createHash('sha256').update(fresh).digest('hex');
    const { found, absent } = await findPeers(PEER_NAMES);
    for (const peer of found) {
      const outcome = await runCoder(peer, { oldFile, newFile, sha256 }, 1);
      const most = peer.name === 'full' ? BYTES * 1.01 : BYTES / 2;
      expect([peer.name, outcome.state, outcome]).toMatchObject([peer.name, 'done', {}]);
      if (outcome.state === 'done') expect(outcome.deltaBytes, peer.name).toBeLessThan(most);
    }
    expect(found.length + absent.length).toBeGreaterThanOrEqual(PEER_NAMES.length);
  });

  it('are left out, and named, when a program of theirs is not there', async () => {
    vi.stubEnv('PATH', dir);
    const { found, absent } = await findPeers(['bsdiff', 'zstd']);
    expect(found).toEqual([]);
    expect(absent).toEqual(['bsdiff', 'bspatch', 'zstd']);
  });
});
