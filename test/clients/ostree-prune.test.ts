import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Checksum } from '../../delta/ostree/objects/checksum.ts';
import { KEPT_COMMITS } from '../../storage/gc/collect.ts';
import { RealRepo } from '../delta/ostree/real-repo.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { ostree, Pusher, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { noise } from '../storage/chunk/material.ts';
import { needTool } from './require.ts';
import { runRivulet } from './rivulet.ts';

const OSTREE = needTool('ostree');
const [KEPT, GONE] = ['os/kept', 'os/gone'];

describe.skipIf(OSTREE === undefined)('ostree after the origin was pruned', () => {
  let rig: OstreeRig;
  let source: RealRepo;
  let pusher: Pusher;
  /** Of the ref that stays, oldest first. */
  const kept: Checksum[] = [];
  let gone: Checksum;
  let clients = 0;

  function commit(ref: string, n: number): Checksum {
    writeFileSync(join(source.tree, 'program'), noise(100_000, `${ref} ${n}`));
    writeFileSync(join(source.tree, 'shared'), 'the same in all');
    return source.commit(ref, `--subject=${ref} ${n}`);
  }

  async function client() {
    clients += 1;
    const dir = join(rig.dir, `client-${clients}`);
    mkdirSync(dir);
    const run = (command: string, ...args: string[]) =>
      ostree(dir, command, '--repo=repo', ...args);
    await run('init', '--mode=bare-user');
    await run('config', 'set', 'core.fsync', 'false');
    await run('remote', 'add', '--no-gpg-verify', 'origin', rig.url);
    return run;
  }

  /** As an operator does, beside the origin that serves. */
  async function collect(): Promise<Readonly<Record<string, Record<string, number>>>> {
    const data = join(rig.dir, 'origin');
    const { code, stdout, stderr } = await runRivulet([
      'gc',
      `--data=${data}`,
      '--grace=0',
      '--json',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    const report = stdout.trim().split('\n').at(-1) ?? '';
    return JSON.parse(report) as Record<string, Record<string, number>>;
  }

  beforeAll(async () => {
    rig = await startOstreeRig();
    source = new RealRepo('archive');
    pusher = new Pusher(rig.url);
    for (let n = 0; n < KEPT_COMMITS + 2; n += 1) {
      kept.push(commit(KEPT, n));
      await pusher.push(source.path, KEPT, kept.at(-2) ?? null);
    }
    gone = commit(GONE, 0);
    await pusher.push(source.path, GONE, null);
    await buildStaticDeltas(rig.origin.store);
  });
  afterAll(async () => {
    source.remove();
    await rig.close();
  });

  it('a deleted ref is plainly gone, and the others are there, deltas too', async () => {
    const [before, holder] = [await client(), await client()];
    await before('pull', 'origin', `${KEPT}@${kept.at(-2) ?? ''}`);
    await holder('pull', 'origin', GONE);
    expect((await pusher.send('DELETE', `refs/${GONE}`)).status).toBe(204);
    // Its deltas are no longer wanted, and go within the hour; nothing else needs its objects.
    await buildStaticDeltas(rig.origin.store);
    const { removedRows } = await collect();
    expect(removedRows?.['ostreeLinks']).toBeGreaterThan(0);

    const fresh = await client();
    await expect(fresh('pull', 'origin', GONE)).rejects.toThrow(/No such branch/);
    await expect(fresh('pull', 'origin', gone)).rejects.toThrow(/404|not found/i);
    expect(await fresh('remote', 'refs', 'origin')).toBe(`origin:${KEPT}\n`);
    // What a device has stays with it.
    await expect(holder('pull', 'origin', GONE)).rejects.toThrow(/No such branch/);
    expect((await holder('rev-parse', `origin:${GONE}`)).trim()).toBe(gone);
    await holder('fsck');

    for (const run of [before, fresh]) {
      await run('pull', '--require-static-deltas', 'origin', KEPT);
      expect((await run('rev-parse', `origin:${KEPT}`)).trim()).toBe(kept.at(-1));
      await run('fsck');
    }
  });

  it('history ends where the origin keeps no more', async () => {
    await collect();
    const run = await client();
    await run('pull', '--disable-static-deltas', '--depth=-1', 'origin', KEPT);
    await run('fsck');
    expect(await run('log', `origin:${KEPT}`)).toContain(kept.at(-KEPT_COMMITS));
    const [oldest = ''] = kept;
    await expect(run('show', oldest)).rejects.toThrow();
    await expect(run('pull', 'origin', `${KEPT}@${oldest}`)).rejects.toThrow(/404|not found/i);
    // A device that still runs it gets the newest all the same.
    const old = await client();
    await old('pull-local', '--remote=origin', source.path, oldest);
    await old('pull', 'origin', KEPT);
    await old('fsck');
    expect((await old('rev-parse', `origin:${KEPT}`)).trim()).toBe(kept.at(-1));
  });

  it('the origin finds nothing wrong with what it kept', async () => {
    const data = join(rig.dir, 'origin');
    const { code, stderr } = await runRivulet(['fsck', `--data=${data}`]);
    expect([code, stderr]).toEqual([0, '']);
  });
});
