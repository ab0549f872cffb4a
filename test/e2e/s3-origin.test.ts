import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startMinio, type MinioServer } from '../clients/minio.ts';
import { writeSmallRelease } from '../clients/oci-image.ts';
import { needTool } from '../clients/require.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../clients/rivulet.ts';

const minioPath = needTool('minio');

describe.skipIf(minioPath === undefined)('an origin over MinIO', () => {
  let dir = '';
  let minio: MinioServer;
  let server: ServerProcess;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-s3-'));
    minio = await startMinio(minioPath ?? '');
    env = {
      RIVULET_STORE_KIND: 's3',
      RIVULET_STORE_ENDPOINT: minio.endpoint,
      RIVULET_STORE_BUCKET: await minio.makeBucket(),
      RIVULET_STORE_ACCESS_KEY: minio.accessKey,
      RIVULET_STORE_SECRET_KEY: minio.secretKey,
    };
    server = await startRivulet(
      ['serve', '--data', join(dir, 'data'), '--listen', '127.0.0.1:0'],
      env,
    );
  });
  afterAll(async () => {
    await server.stop();
    await minio.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('takes releases, builds and proves their deltas, and serves ranges', async () => {
    for (const version of [1, 2]) {
      const layout = join(dir, `r${version}`);
      await writeSmallRelease(layout, 'v', version);
      const args = ['push', `oci:${layout}:v`, 'app:stable', '--server', server.url, '--wait'];
      const pushed = await runRivulet(args);
      expect({ code: pushed.code, stderr: pushed.stderr }).toEqual({ code: 0, stderr: '' });
      if (version === 2) expect(pushed.stdout.match(/: published, /g)).toHaveLength(3);
    }
    const { deltas } = (await (await fetch(`${server.url}/v1/deltas?repo=app`)).json()) as {
      deltas: { result: { digest: string } }[];
    };
    const url = `${server.url}/v1/blobs/${deltas[0]?.result.digest ?? ''}`;
    const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
    expect(whole.subarray(0, 4).toString()).toBe('RVLD');
    const part = await fetch(url, { headers: { range: 'bytes=100-199' } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(100, 200))).toBe(true);
  });

  it('keeps no bytes of its own, and fsck calls the bucket clean', async () => {
    expect(await readdir(join(dir, 'data'))).not.toContain('store');
    const fsck = await runRivulet(['fsck', '--data', join(dir, 'data')], env);
    expect(fsck.stdout).toContain(': 0 faults');
    expect(fsck.code).toBe(0);
  });

  it('refuses to start with a wrong key, and never shows it', async () => {
    const start = startRivulet(['serve', '--data', join(dir, 'other'), '--listen', '127.0.0.1:0'], {
      ...env,
      RIVULET_STORE_SECRET_KEY: 'not-the-secret-key',
    });
    const error: unknown = await start.catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/ended with 1/);
    expect(String(error)).not.toContain('not-the-secret-key');
  });
});
