import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { openStore } from '../../../server/open-store.ts';
import type { Digest } from '../../../storage/digest.ts';
import { blobKey } from '../../../storage/keys.ts';
import { parseTag } from '../../../storage/names.ts';
import { runRivulet } from '../../clients/rivulet.ts';
import { startWholeOrigin } from '../../faults/whole-origin.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { incompressible, pushImage } from '../sample-image.ts';

let dir = '';
let data = '';
let manifest: Digest;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-store-commands-'));
  data = join(dir, 'data');
  const store = await openStore({ data, store: { kind: 'fs' } });
  const { blobs, catalog } = store;
  const target = { blobs, repositories: catalog.repositories, repo: REPO };
  const layer = { app: incompressible('app', 5000) };
  const platform = { os: 'linux', architecture: 'amd64' };
  manifest = (await pushImage(target, platform, [layer], parseTag('v1'))).digest;
  await store.close();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const pathOf = (folder: string) => join(folder, 'store', blobKey(manifest));

test('backup, damage, fsck, repair from a copy that serves, restore', async () => {
  const [out, restored] = [join(dir, 'out'), join(dir, 'restored')];
  const backup = await runRivulet(['backup', '--data', data, '--out', out, '--json']);
  expect(backup.stderr).toBe('');
  expect(JSON.parse(backup.stdout)).toMatchObject({ event: 'backup', copied: 3, faults: 0 });
  expect(backup.code).toBe(0);

  const bytes = await readFile(pathOf(data));
  bytes.writeUInt8(bytes.readUInt8(5) ^ 1, 5);
  await writeFile(pathOf(data), bytes);
  const found = await runRivulet(['fsck', '--data', data]);
  expect(found.code).toBe(1);
  expect(found.stdout).toContain(`corrupt: ${manifest}: tag ${REPO}:v1\n`);
  expect(found.stderr.split('\n')).toHaveLength(2);

  const mended = await runRivulet(['fsck', '--data', data, '--repair', '--json']);
  expect(mended.code).toBe(1);
  expect(mended.stdout).toContain('"repaired":false');
  expect(mended.stdout).toContain('quarantine/sha256/');

  // Any origin or cache that has it will do.
  const origin = await startWholeOrigin();
  try {
    const got = await runRivulet(['fsck', '--data', data, '--repair', '--from', origin.url]);
    expect(got.code).toBe(1);
    const copy = await openStore({ data: out, store: { kind: 'fs' } });
    const other = await openStore({ data: origin.data, store: { kind: 'fs' } });
    await other.blobs.put(manifest, await copy.blobs.open(manifest));
    await other.catalog.repositories.linkBlob(REPO, manifest, bytes.length, { created: true });
    await Promise.all([copy.close(), other.close()]);
    const healed = await runRivulet(['fsck', '--data', data, '--repair', '--from', origin.url]);
    expect(healed.stdout).toContain('mended: fetched again');
    expect(healed.code).toBe(0);
  } finally {
    await origin.close();
  }
  expect((await runRivulet(['fsck', '--data', data])).stdout).toContain(': 0 faults');

  const restore = await runRivulet(['restore', '--from', out, '--data', restored]);
  expect(restore.stdout).toContain('3 objects, 3 of them copied');
  expect((await runRivulet(['fsck', '--data', restored])).code).toBe(0);
  const again = await runRivulet(['restore', '--from', out, '--data', restored]);
  expect(again.code).toBe(2);
  expect((await runRivulet(['restore', '--from', dir, '--data', join(dir, 'x')])).code).toBe(1);
  expect((await runRivulet(['fsck', '--data', data, '--from', 'http://127.0.0.1:1'])).code).toBe(2);
}, 300_000);
