import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { writeTar } from '../../../bench/demo/tar-writer.ts';
import { digestOf } from '../../../storage/digest.ts';
import { seededBytes, writeDockerArchive, writeSmallRelease } from '../../clients/oci-image.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../../clients/rivulet.ts';

interface ManifestView {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string; readonly mediaType: string }[];
}

describe('rivulet push', () => {
  let dir = '';
  let server: ServerProcess;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-push-test-'));
    server = await startRivulet(['serve', '--data', join(dir, 'data'), '--listen', '127.0.0.1:0']);
  });
  afterAll(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const push = (source: string, name: string, ...more: string[]) =>
    runRivulet(['push', source, name, '--server', server.url, ...more]);
  const manifest = async (path: string): Promise<ManifestView> => {
    const accept = 'application/vnd.oci.image.manifest.v1+json';
    const answer = await fetch(`${server.url}/v2/${path}`, { headers: { accept } });
    expect(answer.status).toBe(200);
    return (await answer.json()) as ManifestView;
  };

  it('pushes an index whole, waits for the matrix, and sends nothing twice', async () => {
    await writeSmallRelease(join(dir, 'r1'), 'v1', 1);
    await writeSmallRelease(join(dir, 'r2'), 'v2', 2);
    expect((await push(`oci:${join(dir, 'r1')}:v1`, 'app:stable', '--wait')).code).toBe(0);
    const second = await push(`oci:${join(dir, 'r2')}:v2`, 'app:stable', '--wait');
    expect(second.stderr).toBe('');
    expect(second.stdout.match(/: published, /g)).toHaveLength(3);
    const again = await push(`oci:${join(dir, 'r2')}`, 'app:stable', '--json');
    const events = again.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string });
    expect(events.at(-1)).toMatchObject({ event: 'pushed', repo: 'app', tag: 'stable' });
    const sent = events.filter(
      (event) => event.event === 'blob' && 'state' in event && event.state === 'sent',
    );
    expect(sent).toHaveLength(4);
  });

  it('pushes an oci-archive', async () => {
    const layout = join(dir, 'archived');
    await writeSmallRelease(layout, 'v9', 9);
    const { execFileSync } = await import('node:child_process');
    execFileSync('tar', ['-cf', join(dir, 'image.tar'), '-C', layout, '.']);
    const { code, stderr } = await push(`oci-archive:${join(dir, 'image.tar')}:v9`, 'archived:v9');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    const head = await fetch(`${server.url}/v2/archived/manifests/v9`, { method: 'HEAD' });
    expect(head.headers.get('docker-content-digest')).toBe(index.manifests[0]?.digest);
  });

  it('pushes a docker-archive', async () => {
    const layers = [1, 2].map((number) =>
      writeTar([{ path: `file-${number}`, mode: 0o644, bytes: seededBytes(`${number}`, 5000) }]),
    );
    await writeDockerArchive(join(dir, 'saved.tar'), layers);
    const { code, stderr } = await push(`docker-archive:${join(dir, 'saved.tar')}`, 'saved');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const image = await manifest('saved/manifests/latest');
    const config = await fetch(`${server.url}/v2/saved/blobs/${image.config.digest}`);
    const { rootfs } = (await config.json()) as { rootfs: { diff_ids: string[] } };
    expect(rootfs.diff_ids).toEqual(layers.map((tar) => digestOf(tar)));
    expect(image.layers).toHaveLength(2);
  });

  it('pushes a rootfs tar as an image of the given platform', async () => {
    const tar = writeTar([{ path: 'etc/os-release', mode: 0o644, bytes: Buffer.from('ID=x\n') }]);
    await writeFile(join(dir, 'root.tar'), tar);
    const done = await push(
      `rootfs:${join(dir, 'root.tar')}`,
      'os:1',
      '--platform',
      'linux/arm/v7',
    );
    expect(done.code).toBe(0);
    const image = await manifest('os/manifests/1');
    const config = await fetch(`${server.url}/v2/os/blobs/${image.config.digest}`);
    expect(await config.json()).toMatchObject({
      architecture: 'arm',
      variant: 'v7',
      rootfs: { diff_ids: [digestOf(tar)] },
    });
  });

  it('names what is broken and leaves the tag as it was', async () => {
    const layout = join(dir, 'broken');
    const images = await writeSmallRelease(layout, 'v', 3);
    const layer = images[0]?.layers[2]?.digest ?? '';
    const path = join(layout, 'blobs', 'sha256', layer.slice(7));
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
    await writeFile(path, bytes);
    const { code, stderr } = await push(`oci:${layout}:v`, 'broken:v');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^rivulet: .*\n$/);
    expect((await fetch(`${server.url}/v2/broken/manifests/v`)).status).toBe(404);

    await rm(path);
    const missing = await push(`oci:${layout}:v`, 'broken:v');
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain(layer);
  });

  it('says which tags there are', async () => {
    const { code, stderr } = await push(`oci:${join(dir, 'r1')}:v7`, 'app:stable');
    expect(code).toBe(1);
    expect(stderr).toContain('v1');
  });
});
