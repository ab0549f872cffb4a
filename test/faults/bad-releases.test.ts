import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { writeRelease } from '../../bench/demo/release.ts';
import { writeTar } from '../../bench/demo/tar-writer.ts';
import { seededBytes, writeSmallRelease } from '../clients/oci-image.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../clients/rivulet.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64' };

describe('releases that must not travel', () => {
  let dir = '';
  let server: ServerProcess;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-bad-'));
    server = await startRivulet(['serve', '--data', join(dir, 'data'), '--listen', '127.0.0.1:0']);
  });
  afterAll(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function push(name: string, version: number, tar: Buffer): Promise<string> {
    const layout = join(dir, `${name}-${version}`);
    await writeRelease(layout, 'v', [{ platform: PLATFORM, layers: [{ what: 'layer', tar }] }]);
    const args = ['push', `oci:${layout}:v`, `${name}:stable`, '--server', server.url, '--wait'];
    const done = await runRivulet(args);
    expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
    return done.stdout;
  }

  const file = (path: string, seed: string) => ({
    path,
    mode: 0o644,
    bytes: seededBytes(seed, 9000),
  });

  it('offers no delta to a layer whose names climb out of the root, and says why', async () => {
    await push('climb', 1, writeTar([file('etc/passwd', 'a')]));
    const said = await push(
      'climb',
      2,
      writeTar([file('etc/passwd', 'a'), file('../../etc/x', 'b')]),
    );
    expect(said).toMatch(
      /failed: refused: the layer sha256:\w+ was refused: .*unsafe tar: .* climbs out of the root/,
    );
  });

  it('takes the same release twice at once', async () => {
    const layout = join(dir, 'twice');
    await writeSmallRelease(layout, 'v', 1);
    const args = ['push', `oci:${layout}:v`, 'twice:stable', '--server', server.url];
    const pushes = await Promise.all([runRivulet(args), runRivulet(args), runRivulet(args)]);
    expect(pushes.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      pushes.map(() => ({ code: 0, stderr: '' })),
    );
    const fsck = await runRivulet(['fsck', '--data', join(dir, 'data')]);
    expect(fsck.stdout).toContain(': 0 faults');
  });
});

describe('an origin on a full disk', () => {
  let dir = '';
  let server: ServerProcess | undefined;
  let disk: ReturnType<typeof mountSmallDisk>;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-full-'));
    disk = mountSmallDisk(dir, 6);
  });
  afterAll(async () => {
    await server?.stop();
    disk?.unmount();
    await rm(dir, { recursive: true, force: true });
  });

  it('refuses what does not fit, keeps what it has, and goes on', async ({ skip }) => {
    if (disk === undefined) skip();
    const data = join(dir, 'data');
    const layouts = await mkdtemp(join(tmpdir(), 'rivulet-full-layouts-'));
    try {
      server = await startRivulet(['serve', '--data', data, '--listen', '127.0.0.1:0']);
      await writeSmallRelease(join(layouts, 'small'), 'v', 1);
      const tar = writeTar([{ path: 'big', mode: 0o644, bytes: seededBytes('big', 8_000_000) }]);
      await writeRelease(join(layouts, 'big'), 'v', [
        { platform: PLATFORM, layers: [{ what: 'layer', tar }] },
      ]);
      const push = (name: string) =>
        runRivulet([
          ...['push', `oci:${join(layouts, name)}:v`, `${name}:v`],
          ...['--server', server?.url ?? ''],
        ]);
      expect((await push('small')).code).toBe(0);
      const refused = await push('big');
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/507: UNAVAILABLE the registry is full/);
      expect((await fetch(`${server.url}/v2/big/manifests/v`)).status).toBe(404);
      expect((await fetch(`${server.url}/v2/small/manifests/v`)).status).toBe(200);
      const fsck = await runRivulet(['fsck', '--data', data]);
      expect(fsck.stdout).toContain(': 0 faults');
    } finally {
      await rm(layouts, { recursive: true, force: true });
    }
  });
});
