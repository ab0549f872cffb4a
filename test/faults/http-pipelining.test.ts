import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { seededBytes } from '../server/seeded-bytes.ts';
import { openFiles } from './open-files.ts';
import { RawConnection } from './raw-connection.ts';
import { LARGE, REPO, SMALL, startWholeOrigin, type WholeOrigin } from './whole-origin.ts';

let origin: WholeOrigin;
beforeAll(async () => {
  origin = await startWholeOrigin();
});
afterAll(async () => {
  await origin.close();
});

interface Asked {
  readonly text: string;
  readonly method: string;
  readonly status: number;
  readonly body?: Buffer;
}

const head = (method: string, target: string, fields = ''): string =>
  `${method} ${target} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;

/** Requests by name, and what is the right answer to each. */
function requests() {
  const { small, large } = origin;
  const blob = (digest: string) => `/v1/blobs/${digest}`;
  return {
    small: { text: head('GET', blob(small)), method: 'GET', status: 200, body: SMALL },
    linked: {
      text: head('GET', `/v2/${REPO}/blobs/${small}`),
      method: 'GET',
      status: 200,
      body: SMALL,
    },
    head: { text: head('HEAD', blob(small)), method: 'HEAD', status: 200 },
    large: { text: head('GET', blob(large)), method: 'GET', status: 200, body: LARGE },
    range: {
      text: head('GET', blob(large), 'Range: bytes=100-199\r\n'),
      method: 'GET',
      status: 206,
      body: LARGE.subarray(100, 200),
    },
    missing: { text: head('GET', '/v1/nothing'), method: 'GET', status: 404 },
    refused: {
      text: `${head('PUT', `/v2/${REPO}/manifests/x`, 'Content-Length: 5\r\n')}hello`,
      method: 'PUT',
      status: 400,
    },
  } as const satisfies Record<string, Asked>;
}

type Name = keyof ReturnType<typeof requests>;

async function expectAnswers(client: RawConnection, names: readonly Name[]): Promise<void> {
  for (const [index, name] of names.entries()) {
    const asked: Asked = requests()[name];
    const answer = await client.answer(asked.method);
    expect([index, name, answer?.status]).toEqual([index, name, asked.status]);
    if (asked.body !== undefined) expect(answer?.body.equals(asked.body)).toBe(true);
  }
}

describe('pipelined requests', () => {
  it('are answered in order, many of a small blob in one packet', async () => {
    const client = await RawConnection.open(origin.url);
    const names = Array<Name>(500).fill('small');
    client.send(requests().small.text.repeat(500));
    await expectAnswers(client, names);
    client.close();
  });

  it('are answered in order, whatever they are and however they are cut into packets', async () => {
    const name = fc.constantFrom<Name>(...(Object.keys(requests()) as Name[]));
    const names = fc.array(name, { minLength: 1, maxLength: 8 });
    const cuts = fc.array(fc.nat(1500), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(names, cuts, async (asked, places) => {
        const client = await RawConnection.open(origin.url);
        const text = asked.map((one) => requests()[one].text).join('');
        let from = 0;
        for (const place of places.toSorted((a, b) => a - b)) {
          if (place <= from || place >= text.length) continue;
          client.send(text.slice(from, place));
          from = place;
          await sleep(1);
        }
        client.send(text.slice(from));
        await expectAnswers(client, asked);
        client.close();
      }),
      { numRuns: 60 },
    );
  });

  it('may be cut at any byte', async () => {
    const text = requests().small.text.repeat(3);
    for (let at = 1; at < text.length; at += 1) {
      const client = await RawConnection.open(origin.url);
      client.send(text.slice(0, at));
      await sleep(0);
      client.send(text.slice(at));
      await expectAnswers(client, ['small', 'small', 'small']);
      client.close();
    }
  });

  it('may come byte by byte', async () => {
    const client = await RawConnection.open(origin.url);
    for (const byte of requests().small.text.repeat(2)) {
      client.send(byte);
      await sleep(0);
    }
    await expectAnswers(client, ['small', 'small']);
    client.close();
  });

  it.each(['small', 'large'] as const)(
    'get their answers before garbage behind a %s blob is refused',
    async (name) => {
      for (const garbage of [
        'NONSENSE\r\n\r\n',
        '\0\0\0\0',
        'GET / HTTP/1.1\r\nBad Field\r\n\r\n',
      ]) {
        const client = await RawConnection.open(origin.url);
        client.send(requests()[name].text.repeat(2) + garbage);
        await expectAnswers(client, [name, name]);
        expect((await client.answer())?.status).toBe(400);
        expect(await client.ended()).toBe(true);
      }
    },
  );

  it('end with one that asks for the end', async () => {
    const client = await RawConnection.open(origin.url);
    const last = head('GET', `/v1/blobs/${origin.large}`, 'Connection: close\r\n');
    client.send(last + requests().small.text.repeat(3));
    await expectAnswers(client, ['large']);
    expect(await client.ended()).toBe(true);
  });

  // Only Linux tells which files a process has open.
  it.skipIf(process.platform !== 'linux')(
    'open no file before their turn, nor keep one',
    async () => {
      const digest = await origin.push(seededBytes('pipelined', 32 * 1024 * 1024));
      const client = await RawConnection.open(origin.url);
      client.socket.pause();
      client.send(head('GET', `/v1/blobs/${digest}`).repeat(300));
      const hex = digest.slice('sha256:'.length);
      await expect.poll(() => openFiles(process.pid, hex)).toBe(1);
      await sleep(100);
      expect(await openFiles(process.pid, hex)).toBe(1);
      client.close();
      await expect.poll(() => openFiles(process.pid, hex)).toBe(0);
    },
  );
});
