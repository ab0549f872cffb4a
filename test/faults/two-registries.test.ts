import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { StoreConfig } from '../../server/config.ts';
import { digestOf } from '../../storage/digest.ts';
import { startMinio, type MinioServer } from '../clients/minio.ts';
import { needTool } from '../clients/require.ts';
import { Client, OCI_MANIFEST, refusal } from '../server/oci/rig.ts';
import { seededBytes } from '../server/seeded-bytes.ts';
import { startRegistryProcess, type RegistryProcess } from './registry-process.ts';

const minioPath = needTool('minio');
const bytes = seededBytes('two', 50_000);

/** Two serving processes over one store and one SQLite catalog. */
function suite(openStore: () => Promise<StoreConfig>): void {
  let data = '';
  let store: StoreConfig;
  let first: RegistryProcess;
  let second: RegistryProcess;
  let one: Client;
  let two: Client;

  const start = () => startRegistryProcess({ data, store, killAt: 0 });
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'rivulet-two-'));
    store = await openStore();
    [first, second] = await Promise.all([start(), start()]);
    one = new Client(first.url, 'app');
    two = new Client(second.url, 'app');
  });
  afterAll(async () => {
    await Promise.all([first.kill(), second.kill()]);
    await rm(data, { recursive: true, force: true });
  });

  const patch = (client: Client, location: string, from: number, to: number) =>
    client.send('PATCH', location, bytes.subarray(from, to), {
      'content-range': `${from}-${to - 1}`,
    });

  async function expectBlob(client: Client): Promise<void> {
    const blob = await client.get(`blobs/${digestOf(bytes)}`);
    expect(blob.status).toBe(200);
    expect(Buffer.from(await blob.arrayBuffer()).equals(bytes)).toBe(true);
  }

  it('take the chunks of one upload in turn, by sha256 and sha512', async () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const location = await one.startUpload();
      for (let at = 0; at < 50_000; at += 10_000) {
        const client = (at / 10_000) % 2 === 0 ? two : one;
        expect((await patch(client, location, at, at + 10_000)).status).toBe(202);
        expect((await one.get(location)).headers.get('range')).toBe(`0-${at + 9999}`);
      }
      const digest = digestOf(bytes, algorithm);
      expect((await two.send('PUT', `${location}?digest=${digest}`)).status).toBe(201);
      expect(await refusal(await one.get(location))).toBe('404 BLOB_UPLOAD_UNKNOWN');
      expect((await one.get(`blobs/${digest}`)).status).toBe(200);
    }
  });

  it('let one of two appends at one place win, and of two commits at least one', async () => {
    const location = await one.startUpload();
    const statuses = await Promise.all(
      [one, two, one, two].map(async (client) => (await patch(client, location, 0, 50_000)).status),
    );
    expect(statuses.toSorted()).toEqual([202, 416, 416, 416]);
    const end = `${location}?digest=${digestOf(bytes)}`;
    const ends = await Promise.all([one.send('PUT', end), two.send('PUT', end)]);
    const codes = ends.map(({ status }) => status).toSorted();
    expect(codes[0]).toBe(201);
    expect([201, 404]).toContain(codes[1]);
    await expectBlob(two);
  });

  it('merge many small chunks that reach both', async () => {
    const location = await one.startUpload();
    for (let at = 0; at < 150; at += 1) {
      const client = at % 2 === 0 ? one : two;
      expect((await patch(client, location, at * 7, at * 7 + 7)).status).toBe(202);
    }
    const last = await two.send(
      'PUT',
      `${location}?digest=${digestOf(bytes)}`,
      bytes.subarray(1050),
    );
    expect(last.status).toBe(201);
    await expectBlob(one);
  });

  it('show what the other deletes, at once', async () => {
    const image = JSON.stringify(await one.makeImage('deleted'));
    const digest = digestOf(Buffer.from(image));
    expect((await one.putManifest('tag', image)).status).toBe(201);
    expect((await two.get('manifests/tag')).headers.get('content-type')).toBe(OCI_MANIFEST);
    expect((await one.send('DELETE', 'manifests/tag')).status).toBe(202);
    expect((await two.get('manifests/tag')).status).toBe(404);
    expect((await two.get(`manifests/${digest}`)).status).toBe(200);
    expect((await two.send('DELETE', `manifests/${digest}`)).status).toBe(202);
    expect((await one.get(`manifests/${digest}`)).status).toBe(404);
    const blob = await two.pushBlob(Buffer.from('deleted blob'));
    expect((await one.get(`blobs/${blob}`)).status).toBe(200);
    expect((await one.send('DELETE', `blobs/${blob}`)).status).toBe(202);
    expect((await two.get(`blobs/${blob}`)).status).toBe(404);
  });

  it('go on with an upload whose server was killed in mid-chunk', async () => {
    const location = await one.startUpload();
    expect((await patch(one, location, 0, 20_000)).status).toBe(202);
    const doomed = await start();
    const { hostname, port } = new URL(doomed.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n`);
    socket.write(bytes.subarray(20_000, 40_000));
    await doomed.kill();
    socket.destroy();
    const range = (await two.get(location)).headers.get('range');
    expect(range).toBe('0-19999');
    expect((await patch(two, location, 20_000, 50_000)).status).toBe(202);
    const put = await one.send('PUT', `${location}?digest=${digestOf(bytes)}`);
    expect(put.status).toBe(201);
    await expectBlob(two);
  });
}

describe('two registries over one folder', () => {
  suite(() => Promise.resolve({ kind: 'fs' }));
});

describe.skipIf(minioPath === undefined)('two registries over MinIO', () => {
  let minio: MinioServer;
  afterAll(() => minio.stop());
  suite(async () => {
    minio = await startMinio(minioPath ?? '');
    const { endpoint, region, accessKey, secretKey } = minio;
    const bucket = await minio.makeBucket();
    return { kind: 's3', endpoint, bucket, region, accessKey, secretKey, prefix: '' };
  });
});
