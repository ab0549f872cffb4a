import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { writeTar } from '../../bench/demo/tar-writer.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';

const crane = needTool('crane');

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform?: { readonly architecture: string };
  }[];
}

describe.skipIf(crane === undefined)('crane', () => {
  let rig: ClientRig;
  let dir: string;
  let image: string;

  beforeAll(async () => {
    rig = await startClientRig('crane');
    ({ dir } = rig);
    image = `${rig.host}/demo/app`;
    await writeSmallRelease(join(dir, 'in'), 'v1', 1);
    printVersion('crane', await run('version'));
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) => rig.run(crane ?? '', args);
  const digestOf = async (reference: string) => (await run('digest', reference)).trim();
  const readJson = async (command: string, reference: string): Promise<unknown> =>
    JSON.parse(await run(command, reference));
  /** The release's index, which the pushed index holds. */
  const releaseOf = async (): Promise<string> => {
    const { manifests } = (await readJson('manifest', `${image}:pushed`)) as Index;
    return `${image}@${manifests[0]?.digest ?? ''}`;
  };

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
    const release = await releaseOf();
    for (const platform of ['linux/amd64', 'linux/arm64', 'linux/arm/v7']) {
      await run('pull', '--platform', platform, release, join(dir, 'image.tar'));
      expect(await run('validate', '--tarball', join(dir, 'image.tar'))).toContain('PASS');
    }
  });

  it('reads manifests, digests, tags and the catalog', async () => {
    const digest = await digestOf(`${image}:pushed`);
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const byDigest = await run('manifest', `${image}@${digest}`);
    expect(await run('manifest', `${image}:pushed`)).toBe(byDigest);
    expect((await run('ls', image)).trim()).toBe('pushed');
    expect((await run('catalog', rig.host)).trim()).toBe('demo/app');
  });

  it('appends a layer to a platform’s image, and changes what an image says', async () => {
    const release = await releaseOf();
    const base = ['--platform', 'linux/arm64', '-b', release];
    const file = { path: 'etc/appended', mode: 0o644, bytes: Buffer.from('appended\n') };
    await writeFile(join(dir, 'layer.tar'), writeTar([file]));
    await run('append', ...base, '-f', 'layer.tar', '-t', `${image}:appended`);
    await run('validate', '--remote', `${image}:appended`);
    await run('export', `${image}:appended`, 'root.tar');
    expect(await rig.run('tar', ['-xOf', 'root.tar', 'etc/appended'])).toBe('appended\n');

    const change = ['--label', 'stage=test', '--annotation', 'by=crane', '--entrypoint', '/run'];
    await run('mutate', `${image}:appended`, ...change, '-t', `${image}:changed`);
    expect(await readJson('config', `${image}:changed`)).toMatchObject({
      architecture: 'arm64',
      config: { Labels: { stage: 'test' }, Entrypoint: ['/run'] },
    });
    expect(await readJson('manifest', `${image}:changed`)).toMatchObject({
      annotations: { by: 'crane' },
    });
    await run('flatten', `${image}:changed`, '-t', `${image}:flat`);
    expect(await readJson('manifest', `${image}:flat`)).toMatchObject({ layers: [{}] });
  });

  it('filters an index and appends to one', async () => {
    const release = await releaseOf();
    const keep = ['--platform', 'linux/amd64', '--platform', 'linux/arm64'];
    await run('index', 'filter', release, ...keep, '-t', `${image}:filtered`);
    const filtered = (await readJson('manifest', `${image}:filtered`)) as Index;
    expect(filtered.manifests.map(({ platform }) => platform?.architecture)).toEqual([
      'amd64',
      'arm64',
    ]);
    await run(
      'index',
      'append',
      `${image}:filtered`,
      '-m',
      `${image}:changed`,
      '-t',
      `${image}:more`,
    );
    const more = (await readJson('manifest', `${image}:more`)) as Index;
    expect(more.manifests.map(({ digest }) => digest)).toContain(
      await digestOf(`${image}:changed`),
    );
  });

  it('tags, copies to another repository, and deletes', async () => {
    await run('tag', `${image}:pushed`, 'tagged');
    await run('copy', `${image}:tagged`, `${image}2:copied`);
    expect(await digestOf(`${image}2:copied`)).toBe(await digestOf(`${image}:pushed`));
    const digest = await digestOf(`${image}:pushed`);
    await run('delete', `${image}@${digest}`);
    await expect(run('manifest', `${image}:tagged`)).rejects.toThrow(/MANIFEST_UNKNOWN/);
  });
});
