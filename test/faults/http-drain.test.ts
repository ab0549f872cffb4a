import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';

import { seededBytes } from '../server/seeded-bytes.ts';
import { startMeasuredOrigin, type MeasuredOrigin } from './measured-origin.ts';
import { RawConnection } from './raw-connection.ts';
import { pushBlob, REPO, SMALL } from './whole-origin.ts';

const content = seededBytes('drain', 100 * 1024 * 1024);
const DRAIN_MS = 20_000;

let origin: MeasuredOrigin | undefined;
afterEach(() => origin?.stop());

async function start(drainMs: number): Promise<MeasuredOrigin> {
  origin = await startMeasuredOrigin({ drainMs });
  return origin;
}

const get = (digest: string): string => `GET /v1/blobs/${digest} HTTP/1.1\r\nHost: h\r\n\r\n`;

/** A client that has begun to read a download and stopped. */
async function startDownload(url: string, digest: string): Promise<RawConnection> {
  const client = await RawConnection.open(url);
  client.send(get(digest));
  await once(client.socket, 'data');
  client.socket.pause();
  return client;
}

function isRefused(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  return new Promise((resolve) => {
    socket.once('error', () => {
      resolve(true);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

describe('SIGTERM', () => {
  it('lets what runs end, takes nothing new, and ends with 0', async () => {
    const draining = await start(DRAIN_MS);
    const { url } = draining;
    const [small, large] = [await pushBlob(url, SMALL), await pushBlob(url, content)];
    const idle = await RawConnection.open(url);
    const idleHot = await RawConnection.open(url);
    const silent = await RawConnection.open(url);
    for (let n = 0; n < 2; n += 1) {
      idleHot.send(get(small));
      expect((await idleHot.answer())?.body.equals(SMALL)).toBe(true);
    }
    idle.send('GET /livez HTTP/1.1\r\nHost: h\r\n\r\n');
    expect((await idle.answer())?.status).toBe(200);

    const download = await startDownload(url, large);
    const upload = await RawConnection.open(url);
    const body = seededBytes('upload', 3_000_000);
    const digest = createHash('sha256').update(body).digest('hex');
    upload.send(
      `POST /v2/${REPO}/blobs/uploads/?digest=sha256:${digest} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    upload.send(body.subarray(0, 1_000_000));
    await sleep(100);

    const stopped = draining.stop();
    // Those on which nothing is under way end at once.
    for (const client of [idle, idleHot, silent]) expect(await client.ended()).toBe(true);
    expect(await isRefused(url)).toBe(true);
    upload.send(body.subarray(1_000_000));
    expect((await upload.answer())?.status).toBe(201);
    download.socket.resume();
    const answer = await download.answer();
    expect(answer?.body.equals(content)).toBe(true);
    expect(await download.ended()).toBe(true);
    expect(await stopped).toBe(0);
  });

  it('cuts what stands still once its time is up, and ends with 0', async () => {
    const draining = await start(300);
    const { url } = draining;
    const client = await startDownload(url, await pushBlob(url, content));
    const upload = await RawConnection.open(url);
    upload.send(
      `POST /v2/${REPO}/blobs/uploads/?digest=sha256:${'0'.repeat(64)} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf`,
    );
    await sleep(100);
    expect(await draining.stop()).toBe(0);
    client.socket.resume();
    await expect(client.answer()).rejects.toThrow('ended early');
    expect(await upload.answer()).toBeUndefined();
  });
});
