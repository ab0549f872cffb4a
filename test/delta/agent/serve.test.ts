import { execFileSync } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { needTool } from '../../clients/require.ts';
import { AgentFixture } from './agent-fixture.ts';
import { startAgent, type AgentRun } from './agent-process.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, 300_000));
  two = await store.release(sampleTars(2, 300_000));
});

const device = AgentFixture.use(() => store);
let server: AgentRun;
let url: string;

beforeEach(async () => {
  await device.install(one);
  server = startAgent(['serve', '--data', device.data]);
  url = await new Promise<string>((resolve, reject) => {
    server.child.stdout?.once('data', (bytes: Buffer) => {
      const line = JSON.parse(bytes.toString('utf8')) as { event: string; url: string };
      resolve(line.url);
    });
    void server.done.then(({ stderr }) => {
      reject(new Error(stderr));
    });
  });
});

afterEach(async () => {
  server.child.kill('SIGTERM');
  expect((await server.done).code).toBe(0);
});

describe('the local registry', () => {
  it('serves the uncompressed variant by tag and by digest, with ranges', async () => {
    expect((await fetch(`${url}/v2/`)).status).toBe(200);
    const answer = await fetch(`${url}/v2/demo/app/manifests/latest?ns=example.com`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/vnd.oci.image.manifest.v1+json');
    const bytes = Buffer.from(await answer.arrayBuffer());
    const digest = digestOf(bytes);
    expect(answer.headers.get('docker-content-digest')).toBe(digest);
    const manifest = JSON.parse(bytes.toString('utf8')) as {
      config: { digest: string };
      layers: { digest: string; mediaType: string; size: number }[];
    };
    expect(manifest.config.digest).toBe(one.config);
    expect(manifest.layers.map((layer) => layer.digest)).toEqual(one.diffIds);
    const byDigest = await fetch(`${url}/v2/demo/app/manifests/${digest}`, { method: 'HEAD' });
    expect(byDigest.status).toBe(200);
    expect(byDigest.headers.get('content-length')).toBe(`${bytes.length}`);
    const layer = `${url}/v2/demo/app/blobs/${one.diffIds[1] ?? ''}`;
    const whole = Buffer.from(await (await fetch(layer)).arrayBuffer());
    expect(digestOf(whole)).toBe(one.diffIds[1]);
    const part = await fetch(layer, { headers: { range: 'bytes=1000-1999' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 1000-1999/${whole.length}`);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(whole.subarray(1000, 2000));
    const suffix = await fetch(layer, { headers: { range: 'bytes=-10' } });
    expect(Buffer.from(await suffix.arrayBuffer())).toEqual(whole.subarray(-10));
    const beyond = await fetch(layer, { headers: { range: `bytes=${whole.length}-` } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers.get('content-range')).toBe(`bytes */${whole.length}`);
  });

  it('serves nothing else: other names, traversal, what is not part of the image, writes', async () => {
    const statuses = await Promise.all(
      [
        '/v2/other/manifests/latest',
        '/v2/demo/app/manifests/old',
        `/v2/demo/app/manifests/${one.manifest.digest}`,
        `/v2/demo/app/blobs/${two.config}`,
        '/v2/demo/app/blobs/..%2f..%2f..%2fstate.json',
        '/v2/demo/app/blobs/%E0%A4%A',
        '/state.json',
      ].map(async (path) => (await fetch(url + path)).status),
    );
    expect(statuses).toEqual([404, 404, 404, 404, 404, 404, 404]);
    const write = await fetch(`${url}/v2/demo/app/blobs/uploads/`, { method: 'POST' });
    expect(write.status).toBe(405);
    expect(write.headers.get('allow')).toBe('GET, HEAD');
  });

  it('serves the new release after an update, without a restart, and the older one by digest', async () => {
    const before = await fetch(`${url}/v2/demo/app/manifests/latest`);
    const older = before.headers.get('docker-content-digest') ?? '';
    await before.arrayBuffer();
    await device.install(two);
    const kept = await fetch(`${url}/v2/demo/app/manifests/${older}`);
    expect(((await kept.json()) as { config: { digest: string } }).config.digest).toBe(one.config);
    const program = `${url}/v2/demo/app/blobs/${one.diffIds[1] ?? ''}`;
    expect(digestOf(Buffer.from(await (await fetch(program)).arrayBuffer()))).toBe(one.diffIds[1]);
    const answer = await fetch(`${url}/v2/demo/app/manifests/latest`);
    const manifest = (await answer.json()) as { config: { digest: string } };
    expect(manifest.config.digest).toBe(two.config);
  });

  it('answers to its address and to localhost, and to no other name that resolves here', async () => {
    const { port } = new URL(url);
    const statusFor = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request(`${url}/v2/`, { headers: { host } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
          .on('error', reject)
          .end();
      });
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', `[::1]:${port}`]) {
      expect(await statusFor(host), host).toBe(200);
    }
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example']) {
      expect(await statusFor(host), host).toBe(421);
    }
  });

  it('is read by skopeo, and so is the slot itself', (context) => {
    const skopeo = needTool('skopeo');
    if (skopeo === undefined) {
      context.skip();
      return;
    }
    const image = `docker://${url.replace('http://', '')}/demo/app:latest`;
    const out = `dir:${join(device.data, 'pulled')}`;
    execFileSync(skopeo, ['copy', '--quiet', '--src-tls-verify=false', image, out]);
    const slot = `oci:${join(device.data, 'current')}`;
    const facts = JSON.parse(execFileSync(skopeo, ['inspect', slot], { encoding: 'utf8' })) as {
      Layers: string[];
      Architecture: string;
    };
    expect(facts.Layers).toEqual(one.diffIds);
    expect(facts.Architecture).toBe('amd64');
  });
});
