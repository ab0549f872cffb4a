import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

import { leaveOut } from '../../delta/engine/ablation.ts';
import { readImage } from '../../delta/image.ts';
import { makeDelta } from '../../delta/make-delta.ts';
import { openLayers } from '../../delta/layers.ts';
import { proveImageDelta } from '../../delta/prove.ts';
import { BlobStore } from '../../storage/blob-store.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import { nextVersion } from './engine-pairs.ts';
import { makeTar, pushImage, quickBsdiff, withFolder } from './support.ts';

/** All weight sets but one (kernel/ablation.ts): what is coded without them can't be read with them. */
const MIXER_SETS = 512;

afterEach(() => {
  leaveOut(0);
});

describe('a delta whose proof fails', () => {
  it('is built again without the engine, and says so', async () => {
    await withFolder(async (folder) => {
      const [old, fresh] = nextVersion(300_000, 1);
      const blobs = new BlobStore(createMemoryStore());
      const pair = {
        ...{ repo: parseRepoName('app'), tag: parseTag('v2'), platform: 'linux/amd64' },
        from: await pushImage(blobs, [makeTar([{ name: 'bin/program', bytes: old }])]),
        to: await pushImage(blobs, [makeTar([{ name: 'bin/program', bytes: fresh }])]),
      };
      const notices: string[] = [];
      const deps = {
        blobs,
        layers: { get: () => Promise.resolve(undefined) },
        onNotice: (line: string) => notices.push(line),
        loadBsdiff: quickBsdiff,
      };
      // The encoder's threads leave a step out that the proof then does not.
      leaveOut(MIXER_SETS);
      const made = await makeDelta(deps, pair, folder, (phase) => {
        if (phase === 'proving') leaveOut(0);
      });
      expect(notices).toEqual([
        expect.stringMatching(/^the delta was built again without the engine/),
      ]);
      expect(Object.keys(made.result.codecs)).not.toContain('engine');
      expect(made.isSmaller).toBe(true);
      const from = await openLayers(
        blobs,
        await readImage(blobs, pair.from),
        join(folder, 'again'),
      );
      const to = await readImage(blobs, pair.to);
      await proveImageDelta({ delta: join(folder, 'delta'), from, to });
      await from.close();
    });
  });
});
