import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { writeSmallRelease } from '../clients/oci-image.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../clients/rivulet.ts';

const CYCLES = 6;

describe('an origin killed at random moments', () => {
  let dir = '';
  let server: ServerProcess | undefined;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-kill-'));
  });
  afterEach(async () => {
    await server?.kill();
    await rm(dir, { recursive: true, force: true });
  });

  it('shows nothing half, loses nothing acknowledged, and goes on', async () => {
    const data = join(dir, 'data');
    // What the killed builder had claimed is taken again once its lease has run out.
    const serve = () =>
      startRivulet(['serve', '--data', data, '--listen', '127.0.0.1:0'], {
        RIVULET_MATRIX_LEASE_MS: '2000',
      });
    for (let cycle = 1; cycle <= CYCLES; cycle += 1) {
      const layout = join(dir, `release-${cycle}`);
      await writeSmallRelease(layout, 'v', cycle);
      server = await serve();
      const push = runRivulet(['push', `oci:${layout}:v`, 'app:stable', '--server', server.url]);
      await sleep(Math.random() * 900);
      await server.kill();
      await push;

      const fsck = await runRivulet(['fsck', '--data', data]);
      expect(`${fsck.stdout}${fsck.stderr}`).toContain(': 0 faults');
      expect(fsck.code).toBe(0);

      server = await serve();
      const again = await runRivulet([
        ...['push', `oci:${layout}:v`, 'app:stable', '--server', server.url],
        ...(cycle === CYCLES ? ['--wait'] : []),
      ]);
      expect(again.stderr).toBe('');
      expect(again.code).toBe(0);
      if (cycle === CYCLES) expect(again.stdout.match(/: published/g)?.length).toBeGreaterThan(2);
      await server.kill();
    }
  }, 180_000);
});
