import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { loadServerConfig } from '../../server/config-load.ts';
import { startOrigin } from '../../server/origin.ts';
import { digestOf } from '../../storage/digest.ts';
import { blobKey } from '../../storage/keys.ts';
import { seededBytes } from '../server/seeded-bytes.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const REPO = 'edge/app';

async function startOn(data: string) {
  const flags = { data, listen: '127.0.0.1:0' };
  const env = { RIVULET_MATRIX_BUILDERS: '0', RIVULET_LOG_LEVEL: 'silent' };
  return startOrigin(await loadServerConfig({ flags, env }));
}

function push(url: string, bytes: Buffer): Promise<Response> {
  const path = `/v2/${REPO}/blobs/uploads/?digest=${digestOf(bytes)}`;
  return fetch(url + path, { method: 'POST', body: new Uint8Array(bytes) });
}

async function codeOf(response: Response): Promise<string> {
  const { errors } = (await response.json()) as { readonly errors: readonly { code: string }[] };
  return errors[0]?.code ?? '';
}

async function expectServed(url: string, bytes: Buffer): Promise<void> {
  for (const path of [`/v2/${REPO}/blobs`, '/v1/blobs']) {
    const answer = await fetch(`${url}${path}/${digestOf(bytes)}`);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  }
}

describe('an origin on a bad disk', () => {
  const small = seededBytes('small', 2000);
  const large = seededBytes('large', 1_000_000);
  let dir = '';
  let disk: ReturnType<typeof mountSmallDisk>;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-bad-disk-'));
  });
  afterEach(async () => {
    disk?.unmount();
    disk = undefined;
    await rm(dir, { recursive: true, force: true });
  });

  it('that is full refuses pushes, goes on serving, and takes them once there is space', async ({
    skip,
  }) => {
    disk = mountSmallDisk(dir, 8);
    if (disk === undefined) skip();
    const origin = await startOn(join(dir, 'data'));
    try {
      expect((await push(origin.url, large)).status).toBe(201);
      const ballast = join(dir, 'ballast');
      await writeFile(ballast, Buffer.alloc(32 * 1024 * 1024)).catch(() => undefined);
      const refused = await push(origin.url, small);
      expect(refused.status).toBe(507);
      expect(await codeOf(refused)).toBe('UNAVAILABLE');
      await expectServed(origin.url, large);
      await rm(ballast);
      expect((await push(origin.url, small)).status).toBe(201);
      await expectServed(origin.url, small);
    } finally {
      await origin.close();
    }
  });

  it('that turns read-only refuses pushes, goes on serving, and takes them once it is well', async ({
    skip,
  }) => {
    disk = mountSmallDisk(dir, 16);
    if (disk === undefined) skip();
    // The catalog is on another disk: SQLite keeps its log beside it.
    const data = await mkdtemp(join(tmpdir(), 'rivulet-bad-disk-data-'));
    execFileSync('ln', ['-s', dir, join(data, 'store')]);
    const origin = await startOn(data);
    try {
      expect((await push(origin.url, large)).status).toBe(201);
      execFileSync('mount', ['-o', 'remount,ro', dir]);
      const refused = await push(origin.url, small);
      expect(refused.status).toBe(503);
      expect(await codeOf(refused)).toBe('UNAVAILABLE');
      await expectServed(origin.url, large);
      execFileSync('mount', ['-o', 'remount,rw', dir]);
      expect((await push(origin.url, small)).status).toBe(201);
      await expectServed(origin.url, small);
    } finally {
      await origin.close();
      await rm(data, { recursive: true, force: true });
    }
  });

  it('that has lost the end of files says so instead of sending what is left', async () => {
    const big = seededBytes('big', 300_000);
    const origin = await startOn(dir);
    try {
      for (const bytes of [big, large, small])
        expect((await push(origin.url, bytes)).status).toBe(201);
      for (const bytes of [big, large]) {
        const digest = digestOf(bytes);
        const path = join(dir, 'store', blobKey(digest));
        await truncate(path, bytes.length - 1000);
        for (const range of [undefined, 'bytes=0-99']) {
          const answer = await fetch(`${origin.url}/v2/${REPO}/blobs/${digest}`, {
            headers: range === undefined ? {} : { range },
          });
          expect(answer.status).toBe(500);
          expect(await codeOf(answer)).toBe('UNKNOWN');
        }
      }
      await expectServed(origin.url, small);
    } finally {
      await origin.close();
    }
  });

  it('that loses the end of a file breaks the transfer, and goes on serving', async () => {
    const huge = seededBytes('huge', 40_000_000);
    const origin = await startOn(dir);
    try {
      await push(origin.url, huge);
      await push(origin.url, small);
      for (const url of [`/v2/${REPO}/blobs`, '/v1/blobs']) {
        const path = join(dir, 'store', blobKey(digestOf(huge)));
        await writeFile(path, huge);
        const answer = await fetch(`${origin.url}${url}/${digestOf(huge)}`);
        expect(answer.headers.get('content-length')).toBe(String(huge.length));
        const reader = answer.body?.getReader();
        await reader?.read();
        // More is under way than any buffer between holds.
        await truncate(path, 30_000_000);
        await expect(readToEnd(reader)).rejects.toThrow();
        await expectServed(origin.url, small);
      }
    } finally {
      await origin.close();
    }
  });
});

async function readToEnd(
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
): Promise<void> {
  while ((await reader?.read())?.done === false);
}
