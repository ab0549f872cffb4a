import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startMinio } from '../clients/minio.ts';
import { needTool } from '../clients/require.ts';
import { seededBytes } from '../server/seeded-bytes.ts';
import { readParts } from '../server/http/multipart-reader.ts';
import { startCountingProxy, type CountingProxy } from './counting-proxy.ts';
import { startMeasuredOrigin, type MeasuredOrigin } from './measured-origin.ts';
import { openFiles } from './open-files.ts';
import { RawConnection } from './raw-connection.ts';
import { pushBlob } from './whole-origin.ts';

const MIB = 1024 * 1024;
const CLIENTS = 200;
const content = seededBytes('memory', 100 * MIB);

const minioPath = needTool('minio');
const isLinux = process.platform === 'linux';
const kinds = (['fs', 's3'] as const).filter((kind) => kind === 'fs' || minioPath !== undefined);

/** `count` ranges of 100 bytes, `step` bytes apart. */
function manyRanges(count: number, step: number): string {
  return `bytes=${Array.from({ length: count }, (_, n) => `${n * step}-${n * step + 99}`).join(',')}`;
}

// Memory and open files of another process are read from /proc.
describe.skipIf(!isLinux).each(kinds)('an origin on %s', (kind) => {
  const started: { stop(): Promise<unknown> }[] = [];
  let proxy: CountingProxy | undefined;
  let origin: MeasuredOrigin;
  let digest = '';

  beforeAll(async () => {
    let store: Record<string, string> = { kind };
    if (kind === 's3') {
      const minio = await startMinio(minioPath ?? '');
      started.push(minio);
      proxy = await startCountingProxy(minio.endpoint);
      started.push(proxy);
      const { accessKey, secretKey } = minio;
      const bucket = await minio.makeBucket();
      store = { kind, endpoint: proxy.url, bucket, accessKey, secretKey };
    }
    origin = await startMeasuredOrigin({ store });
    started.push(origin);
    digest = await pushBlob(origin.url, content);
  });
  afterAll(async () => {
    for (const server of started.toReversed()) await server.stop();
  });

  async function ask(range?: string): Promise<RawConnection> {
    const client = await RawConnection.open(origin.url);
    const field = range === undefined ? '' : `Range: ${range}\r\n`;
    client.send(`GET /v1/blobs/${digest} HTTP/1.1\r\nHost: h\r\n${field}\r\n`);
    return client;
  }

  it('serves 200 clients with 1,024 ranges each in bounded memory', async () => {
    const range = manyRanges(1024, 500);
    const before = await origin.rss();
    await origin.resetPeak();
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => ask(range)));
    for (const client of clients) {
      const answer = await client.answer();
      client.close();
      expect(answer?.status).toBe(206);
      const parts = readParts(answer?.headers['content-type'] ?? null, answer?.body ?? content);
      expect(parts).toHaveLength(1024);
      for (const { start, bytes } of [parts[0], parts[511], parts[1023]].filter(
        (p) => p !== undefined,
      )) {
        expect(bytes.equals(content.subarray(start, start + 100))).toBe(true);
      }
    }
    expect((await origin.peakRss()) - before).toBeLessThan(300 * MIB);
  });

  it('holds a few hundred KiB for each client that reads nothing', async () => {
    const before = await origin.memory();
    const clients = await Promise.all(Array.from({ length: 40 }, () => ask()));
    for (const { socket } of clients) socket.pause();
    await sleep(500);
    const held = await origin.memory();
    const bytes = held.heapUsed - before.heapUsed + held.external - before.external;
    expect(bytes / clients.length).toBeLessThan(800 * 1024);
    for (const client of clients) client.close();
    // What they held is free again.
    await expect
      .poll(async () => (await origin.memory()).arrayBuffers, { timeout: 20_000 })
      .toBeLessThan(before.arrayBuffers + 2 * MIB);
  });

  /** What came out of the store, once nothing more comes for a while. */
  async function received(store: CountingProxy | undefined): Promise<number> {
    if (store === undefined) return 0;
    let [last, quiet] = [0, 0];
    await expect
      .poll(
        () => {
          const now = store.received();
          quiet = now === last ? quiet + 1 : 0;
          last = now;
          return quiet;
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(4);
    return last;
  }

  it.each([
    ['a whole blob', undefined],
    [
      'many ranges',
      `bytes=${Array.from({ length: 90 }, (_, n) => `${n * MIB}-${n * MIB + 900_000}`).join(',')}`,
    ],
  ])('frees everything at once when a client leaves in the middle of %s', async (_what, range) => {
    const before = await received(proxy);
    const client = await ask(range);
    client.socket.once('data', () => client.socket.pause());
    const hex = digest.slice('sha256:'.length);
    if (kind === 'fs') await expect.poll(() => openFiles(origin.pid, hex)).toBe(1);
    else await expect.poll(() => proxy?.received()).toBeGreaterThan(before);
    const during = proxy?.open() ?? 0;
    client.close();
    if (kind === 'fs') {
      await expect.poll(() => openFiles(origin.pid, hex)).toBe(0);
      return;
    }
    // A request to the store that was cut can't be used again: its connection goes. That of a range
    // may have been read to its end already.
    if (range === undefined) await expect.poll(() => proxy?.open()).toBeLessThan(during);
    const after = await received(proxy);
    expect(after - before).toBeLessThan(content.length / 2);
  });
});
