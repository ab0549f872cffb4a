import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { checkAnswers } from '../../bench/serve/check-answers.ts';
import type { BenchBlob } from '../../bench/serve/content.ts';
import { digestOf } from '../../storage/digest.ts';

const BYTES = randomBytes(1000);

describe('before a load', () => {
  let dir = '';
  let url = '';
  let server: Server;
  let blob: BenchBlob;
  let answer: { status: number; body: Buffer };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-check-'));
    const file = join(dir, 'blob');
    await writeFile(file, BYTES);
    blob = { digest: digestOf(BYTES), file, bytes: BYTES.length };
    server = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    await rm(dir, { recursive: true });
  });

  const check = (
    status: number,
    body: Buffer,
    range?: string,
    bytes = BYTES.length,
  ): Promise<void> => {
    answer = { status, body };
    return checkAnswers(url, [{ path: '/blob', range, bytes }], [blob], undefined);
  };

  it('the right bytes are let through, whole and in part', async () => {
    await check(200, BYTES);
    await check(206, BYTES.subarray(10, 20), 'bytes=10-19', 10);
  });

  it('one wrong byte is not', async () => {
    const wrong = Buffer.from(BYTES);
    wrong[999] = (wrong[999] ?? 0) ^ 1;
    await expect(check(200, wrong)).rejects.toThrow(/other bytes/);
    await expect(check(206, BYTES.subarray(11, 21), 'bytes=10-19', 10)).rejects.toThrow(
      /other bytes/,
    );
  });

  it('a refusal is not, nor the whole for a part', async () => {
    await expect(check(404, BYTES)).rejects.toThrow(/answered 404, not 200/);
    await expect(check(200, BYTES, 'bytes=10-19', 10)).rejects.toThrow(/answered 200, not 206/);
  });
});
