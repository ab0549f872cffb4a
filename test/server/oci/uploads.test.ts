import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { seededBytes } from '../seeded-bytes.ts';
import { Client, locationOf, refusal, startRegistry, type RunningRegistry } from './rig.ts';

const bytes = seededBytes('upload', 5000);
const digest = digestOf(bytes);

describe.each(['fs', 'memory'] as const)('uploads on %s', (kind) => {
  let registry: RunningRegistry;
  let client: Client;

  beforeAll(async () => {
    registry = await startRegistry(kind);
    client = new Client(registry.url, 'up/load');
  });
  afterAll(() => registry.close());

  const patch = (location: string, start: number, end: number, withRange = true) =>
    client.send(
      'PATCH',
      location,
      bytes.subarray(start, end),
      withRange ? { 'content-range': `${start}-${end - 1}` } : {},
    );

  async function expectBlob(response: Response, expected: Buffer): Promise<void> {
    expect(response.status).toBe(201);
    expect(response.headers.get('docker-content-digest')).toMatch(/^sha(256|512):/);
    const blob = await client.get(locationOf(response));
    expect(Buffer.from(await blob.arrayBuffer()).equals(expected)).toBe(true);
  }

  it('opens a session and says where it stands', async () => {
    const response = await client.send('POST', 'blobs/uploads/');
    expect(response.status).toBe(202);
    const id = response.headers.get('docker-upload-uuid') ?? '';
    expect(locationOf(response)).toBe(`/v2/up/load/blobs/uploads/${id}`);
    expect(Number(response.headers.get('oci-chunk-min-length'))).toBeLessThanOrEqual(1024);
    const status = await client.get(locationOf(response));
    expect([status.status, status.headers.get('range')]).toEqual([204, '0-0']);
    expect(locationOf(status)).toBe(locationOf(response));
  });

  it('takes a blob in chunks, the last one with PATCH or with PUT', async () => {
    for (const lastOnPut of [false, true]) {
      const location = await client.startUpload();
      const first = await patch(location, 0, 2000);
      expect([first.status, first.headers.get('range')]).toEqual([202, '0-1999']);
      const end = `${locationOf(first)}?digest=${digest}`;
      if (lastOnPut) {
        const put = await client.send('PUT', end, bytes.subarray(2000), {
          'content-range': '2000-4999',
        });
        await expectBlob(put, bytes);
      } else {
        expect((await patch(location, 2000, 5000)).headers.get('range')).toBe('0-4999');
        await expectBlob(await client.send('PUT', end), bytes);
      }
    }
  });

  it('takes a streamed PATCH without length or range, and goes on at its end', async () => {
    const location = await client.startUpload();
    const response = await fetch(registry.url + location, {
      method: 'PATCH',
      body: Readable.toWeb(Readable.from([bytes.subarray(0, 10), bytes.subarray(10, 1500)])),
      duplex: 'half',
    });
    expect([response.status, response.headers.get('range')]).toEqual([202, '0-1499']);
    await patch(location, 1500, 5000, false);
    const named = digestOf(bytes, 'sha512');
    await expectBlob(await client.send('PUT', `${location}?digest=${named}`), bytes);
  });

  it('keeps the session when a chunk is out of order, by PATCH or PUT', async () => {
    const location = await client.startUpload();
    const early = await patch(location, 1024, 2048);
    expect(early.headers.get('range')).toBe('0-0');
    expect(locationOf(early)).toBe(location);
    expect(await refusal(early)).toBe('416 BLOB_UPLOAD_INVALID');
    expect((await client.get(location)).headers.get('range')).toBe('0-0');
    await patch(location, 0, 1024);
    for (const [method, target] of [
      ['PATCH', location],
      ['PUT', `${location}?digest=${digest}`],
    ] as const) {
      const again = await client.send(method, target, bytes.subarray(0, 1024), {
        'content-range': '0-1023',
      });
      expect(await refusal(again)).toBe('416 BLOB_UPLOAD_INVALID');
      const status = await client.get(location);
      expect([status.status, status.headers.get('range')]).toEqual([204, '0-1023']);
    }
    await patch(location, 1024, 5000);
    await expectBlob(await client.send('PUT', `${location}?digest=${digest}`), bytes);
  });

  it('makes the same blob of any pieces', async () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 4999 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(cuts, async (at) => {
        const location = await client.startUpload();
        const places = [0, ...at.sort((a, b) => a - b), 5000];
        for (const [index, start] of places.slice(0, -1).entries()) {
          expect((await patch(location, start, places[index + 1] ?? 0)).status).toBe(202);
        }
        await expectBlob(await client.send('PUT', `${location}?digest=${digest}`), bytes);
      }),
      { numRuns: 10 },
    );
  });

  it('refuses a digest that is not the one of the bytes, and shows nothing', async () => {
    const wrong = digestOf(Buffer.from('wrong'));
    const whole = await client.send('POST', `blobs/uploads/?digest=${wrong}`, bytes);
    expect(await refusal(whole)).toBe('400 DIGEST_INVALID');
    const location = await client.startUpload();
    await patch(location, 0, 5000);
    const put = await client.send('PUT', `${location}?digest=${wrong}`);
    expect(await refusal(put)).toBe('400 DIGEST_INVALID');
    expect((await client.get(`blobs/${wrong}`)).status).toBe(404);
    const parts = [];
    for await (const part of registry.store.blobs.objects.list(
      location.replace(/.*uploads/, 'uploads'),
    ))
      parts.push(part);
    expect(parts).toEqual([]);
  });

  it('needs the bytes of a blob that exists, too', async () => {
    const secret = seededBytes('secret', 100);
    await client.pushBlob(secret);
    const other = new Client(registry.url, 'thief');
    const claimed = await other.send(
      'POST',
      `blobs/uploads/?digest=${digestOf(secret)}`,
      Buffer.alloc(100),
    );
    expect(await refusal(claimed)).toBe('400 DIGEST_INVALID');
    expect((await other.get(`blobs/${digestOf(secret)}`)).status).toBe(404);
  });

  it('ends a session that is cancelled or committed', async () => {
    const location = await client.startUpload();
    expect((await client.send('DELETE', location)).status).toBe(204);
    const committed = await client.startUpload();
    await client.send('PUT', `${committed}?digest=${digest}`, bytes);
    for (const gone of [location, committed]) {
      for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
        const response = await client.send(method, gone, method === 'PATCH' ? bytes : undefined);
        expect(await refusal(response)).toBe('404 BLOB_UPLOAD_UNKNOWN');
      }
      const put = await client.send('PUT', `${gone}?digest=${digest}`, bytes);
      expect(await refusal(put)).toBe('404 BLOB_UPLOAD_UNKNOWN');
    }
  });

  it('knows a session in its own repository alone', async () => {
    const location = await client.startUpload();
    const elsewhere = location.replace('/up/load/', '/else/where/');
    expect(await refusal(await client.get(elsewhere))).toBe('404 BLOB_UPLOAD_UNKNOWN');
  });

  it('refuses requests that contradict themselves', async () => {
    const location = await client.startUpload();
    const body = bytes.subarray(0, 10);
    for (const [headers, expected] of [
      [{ 'content-range': 'x' }, '416 BLOB_UPLOAD_INVALID'],
      [{ 'content-range': '9-0' }, '416 BLOB_UPLOAD_INVALID'],
      [{ 'content-range': '0-10' }, '400 SIZE_INVALID'],
    ] as const) {
      const response = await client.send('PATCH', location, body, headers);
      expect(await refusal(response)).toBe(expected);
    }
    for (const query of ['', '?digest=', '?digest=sha256:bad', '?digest=md5:00']) {
      const response = await client.send('PUT', location + query);
      expect(await refusal(response)).toBe('400 DIGEST_INVALID');
    }
    const post = await client.send('POST', 'blobs/uploads/?digest=sha256:bad', bytes);
    expect(await refusal(post)).toBe('400 DIGEST_INVALID');
    for (const id of ['x', '..', '0'.repeat(32)]) {
      const response = await client.get(`blobs/uploads/${id}`.replace('..', '%2E%2E'));
      expect(response.status).toBe(404);
    }
    expect((await client.get(location)).headers.get('range')).toBe('0-0');
  });

  it('answers a chunked body that is longer than its range', async () => {
    const location = await client.startUpload();
    const response = await fetch(registry.url + location, {
      method: 'PATCH',
      headers: { 'content-range': '0-9' },
      body: Readable.toWeb(Readable.from([bytes.subarray(0, 5), bytes.subarray(5, 4000)])),
      duplex: 'half',
    });
    expect(await refusal(response)).toBe('400 SIZE_INVALID');
    expect((await client.get(location)).headers.get('range')).toBe('0-0');
  });

  it('goes on where a broken connection left it', async () => {
    const location = await client.startUpload();
    const { hostname, port } = new URL(registry.url);
    const socket = connect(Number(port), hostname);
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n`);
    socket.write(bytes.subarray(0, 3000));
    await once(socket, 'connect');
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    let range = '0-0';
    while (range === '0-0') range = (await client.get(location)).headers.get('range') ?? '';
    const start = Number(range.slice(2)) + 1;
    expect((await patch(location, start, 5000)).status).toBe(202);
    await expectBlob(await client.send('PUT', `${location}?digest=${digest}`), bytes);
  });

  it('takes many pushes of one blob at once', async () => {
    const same = seededBytes('same', 300_000);
    const pushes = Array.from({ length: 12 }, (_, i) =>
      new Client(registry.url, `same/${i % 3}`).pushBlob(same),
    );
    await Promise.all(pushes);
    const response = await new Client(registry.url, 'same/1').get(`blobs/${digestOf(same)}`);
    expect(Buffer.from(await response.arrayBuffer()).equals(same)).toBe(true);
  });

  it('lets one of two appends at one place win', async () => {
    const location = await client.startUpload();
    const statuses = await Promise.all(
      Array.from({ length: 4 }, async () => (await patch(location, 0, 5000)).status),
    );
    expect(statuses.sort()).toEqual([202, 416, 416, 416]);
    await expectBlob(await client.send('PUT', `${location}?digest=${digest}`), bytes);
  });
});
