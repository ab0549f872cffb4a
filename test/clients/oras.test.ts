import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { needTool } from './require.ts';

const oras = needTool('oras');

const MODEL = 'application/vnd.example.model';
const SBOM = 'application/vnd.example.sbom';
const SCAN = 'application/vnd.example.scan';

interface Found {
  readonly digest: string;
  readonly artifactType: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

describe.skipIf(oras === undefined)('oras', () => {
  let rig: ClientRig;
  let artifact: string;

  beforeAll(async () => {
    rig = await startClientRig('oras');
    artifact = `${rig.host}/demo/model`;
    await writeFile(join(rig.dir, 'weights.bin'), Buffer.alloc(200_000, 'weights'));
    await writeFile(join(rig.dir, 'card.md'), '# card\n');
    await writeFile(join(rig.dir, 'sbom.json'), '{"packages":[]}');
    await writeFile(join(rig.dir, 'scan.json'), '{"findings":0}');
    printVersion('oras', await rig.run(oras ?? '', ['version']));
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) => rig.run(oras ?? '', args);
  const digestOf = async (reference: string): Promise<string> =>
    (await run('resolve', '--plain-http', reference)).trim();
  const discover = async (reference: string, ...more: string[]): Promise<readonly Found[]> => {
    const text = await run('discover', '--plain-http', '--format', 'json', ...more, reference);
    return (JSON.parse(text) as { manifests: Found[] | null }).manifests ?? [];
  };
  const attach = (type: string, file: string, reference: string) =>
    run('attach', '--plain-http', '--artifact-type', type, reference, `${file}:application/json`);

  it('pushes an artifact and pulls the same files', async () => {
    const files = ['weights.bin:application/octet-stream', 'card.md:text/markdown'];
    const push = ['push', '--plain-http', '--artifact-type', MODEL, '--annotation', 'size=small'];
    await run(...push, `${artifact}:v1,latest`, ...files);
    await mkdir(join(rig.dir, 'out'));
    await run('pull', '--plain-http', '-o', join(rig.dir, 'out'), `${artifact}:v1`);
    for (const name of ['weights.bin', 'card.md']) {
      const before = await readFile(join(rig.dir, name));
      expect((await readFile(join(rig.dir, 'out', name))).equals(before)).toBe(true);
    }
    const manifest: unknown = JSON.parse(
      await run('manifest', 'fetch', '--plain-http', `${artifact}:v1`),
    );
    expect(manifest).toMatchObject({ artifactType: MODEL, annotations: { size: 'small' } });
    expect(await digestOf(`${artifact}:latest`)).toBe(await digestOf(`${artifact}:v1`));
    expect((await run('repo', 'tags', '--plain-http', artifact)).trim()).toBe('latest\nv1');
    expect((await run('repo', 'ls', '--plain-http', rig.host)).trim()).toBe('demo/model');
  });

  it('attaches referrers of two types and finds them, all and by type', async () => {
    expect(await discover(`${artifact}:v1`)).toEqual([]);
    // Side by side, as CI does: neither may lose the other.
    await Promise.all([
      attach(SBOM, 'sbom.json', `${artifact}:v1`),
      attach(SCAN, 'scan.json', `${artifact}:v1`),
    ]);
    const types = (await discover(`${artifact}:v1`)).map(({ artifactType }) => artifactType);
    expect(types.sort()).toEqual([SBOM, SCAN]);
    const scans = await discover(`${artifact}:v1`, '--artifact-type', SCAN);
    expect(scans.map(({ artifactType }) => artifactType)).toEqual([SCAN]);
    expect(await discover(`${artifact}:v1`, '--artifact-type', 'application/other')).toEqual([]);
    // The referrers API answers: no tag stands in for it.
    expect((await run('repo', 'tags', '--plain-http', artifact)).trim()).toBe('latest\nv1');
    await mkdir(join(rig.dir, 'scan'));
    const scan = `${artifact}@${scans[0]?.digest ?? ''}`;
    await run('pull', '--plain-http', '-o', join(rig.dir, 'scan'), scan);
    expect(await readFile(join(rig.dir, 'scan/scan.json'), 'utf8')).toBe('{"findings":0}');
    // A referrer of a referrer.
    await attach(SBOM, 'sbom.json', scan);
    expect(await discover(scan)).toHaveLength(1);
  });

  it('copies an artifact with all its referrers to another repository and to a layout', async () => {
    const tls = ['--from-plain-http', '--to-plain-http'];
    await run('cp', '-r', ...tls, `${artifact}:v1`, `${rig.host}/demo/copied:v1`);
    const digests = (found: readonly Found[]) => found.map(({ digest }) => digest).sort();
    const before = await discover(`${artifact}:v1`);
    expect(digests(await discover(`${rig.host}/demo/copied:v1`))).toEqual(digests(before));
    const nested = before.find(({ artifactType }) => artifactType === SCAN)?.digest ?? '';
    expect(await discover(`${rig.host}/demo/copied@${nested}`)).toHaveLength(1);
    const layout = join(rig.dir, 'layout');
    await run('cp', '-r', '--from-plain-http', '--to-oci-layout', `${artifact}:v1`, `${layout}:v1`);
    const local = await run('discover', '--oci-layout', '--format', 'json', `${layout}:v1`);
    expect((JSON.parse(local) as { manifests: unknown[] }).manifests).toHaveLength(2);
  });

  it('pushes, tags, fetches and deletes single blobs and manifests', async () => {
    await run('tag', '--plain-http', `${artifact}:v1`, 'stable');
    const blob = ['blob', 'push', '--plain-http', '--descriptor', artifact, 'card.md'];
    const { digest } = JSON.parse(await run(...blob)) as { digest: string };
    const reference = `${artifact}@${digest}`;
    expect(await run('blob', 'fetch', '--plain-http', '--output', '-', reference)).toBe('# card\n');

    const [gone] = await discover(`${artifact}:v1`, '--artifact-type', SBOM);
    await run('manifest', 'delete', '--plain-http', '-f', `${artifact}@${gone?.digest ?? ''}`);
    expect(await discover(`${artifact}:v1`, '--artifact-type', SBOM)).toEqual([]);
    await run('manifest', 'delete', '--plain-http', '-f', `${artifact}:stable`);
    await expect(digestOf(`${artifact}:v1`)).rejects.toThrow(/not found/);
    await run('blob', 'delete', '--plain-http', '-f', reference);
    await expect(run('blob', 'fetch', '--plain-http', '--output', '-', reference)).rejects.toThrow(
      /not found/,
    );
  });
});
