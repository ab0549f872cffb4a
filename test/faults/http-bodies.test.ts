import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { needTool } from '../clients/require.ts';
import { runTool } from '../clients/run-tool.ts';
import { seededBytes } from '../server/seeded-bytes.ts';
import { RawConnection } from './raw-connection.ts';
import { REPO, SMALL, startWholeOrigin, type WholeOrigin } from './whole-origin.ts';

const MIB = 1024 * 1024;
/** What is read of a body that nobody wants, several times over: it is looked at only now and then. */
const MOST_SENT = 512 * MIB;

let origin: WholeOrigin;
beforeAll(async () => {
  origin = await startWholeOrigin();
});
afterAll(async () => {
  await origin.close();
});

/** Sends `piece` again and again until the connection ends; resolves to the bytes taken. */
async function sendWithoutEnd(client: RawConnection, piece: Buffer): Promise<number> {
  const { socket } = client;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  while (!socket.destroyed && socket.bytesWritten < 2 * MOST_SENT) {
    if (socket.write(piece)) continue;
    await Promise.race([closed, new Promise((resolve) => socket.once('drain', resolve))]);
  }
  return socket.bytesWritten;
}

const chunk = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`);
const plain = Buffer.alloc(0x10000, 'x');

describe('bodies without end', () => {
  const manifest = `PUT /v2/${REPO}/manifests/x HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n`;
  const length = `Content-Length: ${10 ** 12}\r\n\r\n`;
  const chunked = 'Transfer-Encoding: chunked\r\n\r\n';
  const cases: Readonly<Record<string, () => readonly [string, Buffer, number]>> = {
    'a manifest of a terabyte': () => [manifest + length, plain, 413],
    'a manifest in chunks': () => [manifest + chunked, chunk, 413],
    'a check of a device': () => [
      `POST /v1/check HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n${chunked}`,
      chunk,
      413,
    ],
    'a small blob': () => [
      `GET /v1/blobs/${origin.small} HTTP/1.1\r\nHost: h\r\n${length}`,
      plain,
      200,
    ],
    'a small blob, in chunks': () => [
      `GET /v2/${REPO}/blobs/${origin.small} HTTP/1.1\r\nHost: h\r\n${chunked}`,
      chunk,
      200,
    ],
    'nothing that is there': () => [`POST /nothing HTTP/1.1\r\nHost: h\r\n${chunked}`, chunk, 404],
  };

  it.each(Object.keys(cases))('get their answer and are cut: %s', async (name) => {
    const [head, piece, status] = cases[name]?.() ?? ['', plain, 0];
    const client = await RawConnection.open(origin.url);
    client.send(head);
    const sent = sendWithoutEnd(client, piece);
    expect((await client.answer())?.status).toBe(status);
    expect(await sent).toBeLessThan(MOST_SENT);
  });
});

describe('heads without end', () => {
  it.each([
    ['fields', 'GET /v2/ HTTP/1.1\r\nHost: h\r\n', 'X-Name: value\r\n'],
    ['one field', 'GET /v2/ HTTP/1.1\r\nHost: h\r\nX: ', 'value'],
    ['a target', 'GET /', 'aaaaaaaa'],
    // A trailer is a head too.
    [
      'a trailer',
      `PUT /v2/${REPO}/manifests/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n`,
      'X-Name: value\r\n',
    ],
  ])('are refused and cut: %s', async (_name, start, more) => {
    const client = await RawConnection.open(origin.url);
    client.send(start);
    const sent = sendWithoutEnd(client, Buffer.from(more.repeat(4096)));
    expect((await client.answer())?.status).toBe(431);
    expect(await sent).toBeLessThan(MOST_SENT);
  });
});

describe('Expect: 100-continue', () => {
  const expectContinue = (target: string, length: number): string =>
    `POST ${target} HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;

  it('is answered as soon as the body is wanted', async () => {
    const bytes = Buffer.from('wanted');
    const digest = createHash('sha256').update(bytes).digest('hex');
    const client = await RawConnection.open(origin.url);
    const target = `/v2/${REPO}/blobs/uploads/?digest=sha256:${digest}`;
    for (let n = 0; n < 2; n += 1) {
      client.send(expectContinue(target, bytes.length));
      expect((await client.answer())?.status).toBe(100);
      client.send(bytes);
      expect((await client.answer())?.status).toBe(201);
    }
    client.close();
  });

  it('is not answered when the request is refused: no byte of the body has to be sent', async () => {
    for (const [target, status] of [
      ['/v2/Not_A_Name/blobs/uploads/?digest=sha256:00', 400],
      [`/v2/${REPO}/blobs/uploads/unknown`, 405],
      ['/nothing', 404],
    ] as const) {
      const client = await RawConnection.open(origin.url);
      client.send(expectContinue(target, 10 ** 9));
      const answer = await client.answer();
      expect([answer?.status, answer?.headers['connection']]).toEqual([status, 'close']);
      client.close();
    }
  });

  it('is honoured behind a pipelined request', async () => {
    const client = await RawConnection.open(origin.url);
    const target = `/v2/${REPO}/blobs/uploads/?digest=${origin.small}`;
    client.send(`GET /v1/blobs/${origin.large} HTTP/1.1\r\nHost: h\r\n\r\n`);
    client.send(expectContinue(target, SMALL.length));
    expect((await client.answer())?.status).toBe(200);
    expect((await client.answer())?.status).toBe(100);
    client.send(SMALL);
    expect((await client.answer())?.status).toBe(201);
    client.close();
  });

  const curl = needTool('curl');
  it.skipIf(curl === undefined)('works for curl', async () => {
    const file = join(origin.data, 'curl.bin');
    const bytes = seededBytes('curl', 3 * MIB);
    await writeFile(file, bytes);
    const digest = createHash('sha256').update(bytes).digest('hex');
    const upload = (target: string): Promise<string> => {
      const more = ['-X', 'POST', '-H', 'Expect: 100-continue', '--data-binary', `@${file}`];
      return runTool(curl ?? '', ['-sS', '-v', '--stderr', '-', ...more, origin.url + target], {
        cwd: origin.data,
        env: process.env,
      });
    };
    const taken = await upload(`/v2/${REPO}/blobs/uploads/?digest=sha256:${digest}`);
    expect(taken).toMatch(/< HTTP\/1.1 100 Continue[^]*< HTTP\/1.1 201 Created/);
    const refused = await upload(`/v2/Not_A_Name/blobs/uploads/?digest=sha256:${digest}`);
    expect(refused).toMatch(/< HTTP\/1.1 400 /);
    expect(refused).not.toContain('100 Continue');
  });
});

describe('a body that comes slowly', () => {
  it('is waited for while the rest goes on', async () => {
    const bytes = Buffer.from('slow body');
    const digest = createHash('sha256').update(bytes).digest('hex');
    const client = await RawConnection.open(origin.url);
    client.send(
      `POST /v2/${REPO}/blobs/uploads/?digest=sha256:${digest} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n`,
    );
    for (const byte of bytes.toString()) {
      client.send(byte);
      await sleep(5);
    }
    expect((await client.answer())?.status).toBe(201);
    client.close();
  });
});
