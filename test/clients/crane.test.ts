import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startRegistry, type RunningRegistry } from '../server/oci/rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';
import { runTool } from './run-tool.ts';

const crane = needTool('crane');

describe.skipIf(crane === undefined)('crane', () => {
  let dir: string;
  let registry: RunningRegistry;
  let image: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-crane-'));
    registry = await startRegistry('fs');
    image = `${new URL(registry.url).host}/demo/app`;
    await writeSmallRelease(join(dir, 'in'), 'v1', 1);
  });
  afterAll(async () => {
    await registry.close();
    await rm(dir, { recursive: true, force: true });
  });

  const run = (...args: string[]) => runTool(crane ?? '', args);

  it('pushes and pulls an index, byte for byte', async () => {
    // It pushes the layout's own index: an index that holds the release's index.
    const pushed = (await run('push', '--index', join(dir, 'in'), `${image}:pushed`)).trim();
    expect(pushed).toContain('@sha256:');
    await run('pull', '--format=oci', `${image}:pushed`, join(dir, 'out'));
    const before = await readdir(join(dir, 'in/blobs/sha256'));
    const after = await readdir(join(dir, 'out/blobs/sha256'));
    expect(after).toEqual(expect.arrayContaining(before));
  });

  it('validates what it reads, each layer against its digests', async () => {
    expect(await run('validate', '--remote', `${image}:pushed`)).toContain('PASS');
    const { manifests } = JSON.parse(await run('manifest', `${image}:pushed`)) as {
      manifests: { digest: string }[];
    };
    const release = `${image}@${manifests[0]?.digest ?? ''}`;
    for (const platform of ['linux/amd64', 'linux/arm64', 'linux/arm/v7']) {
      await run('pull', '--platform', platform, release, join(dir, 'image.tar'));
      expect(await run('validate', '--tarball', join(dir, 'image.tar'))).toContain('PASS');
    }
  });

  it('reads manifests, digests, tags and the catalog', async () => {
    const digest = (await run('digest', `${image}:pushed`)).trim();
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const byDigest = await run('manifest', `${image}@${digest}`);
    expect(await run('manifest', `${image}:pushed`)).toBe(byDigest);
    expect((await run('ls', image)).trim()).toBe('pushed');
    expect((await run('catalog', new URL(registry.url).host)).trim()).toBe('demo/app');
  });

  it('tags, copies to another repository, and deletes', async () => {
    await run('tag', `${image}:pushed`, 'tagged');
    await run('copy', `${image}:tagged`, `${image}2:copied`);
    expect(await run('digest', `${image}2:copied`)).toBe(await run('digest', `${image}:pushed`));
    const digest = (await run('digest', `${image}:pushed`)).trim();
    await run('delete', `${image}@${digest}`);
    await expect(run('manifest', `${image}:tagged`)).rejects.toThrow(/MANIFEST_UNKNOWN/);
  });
});
