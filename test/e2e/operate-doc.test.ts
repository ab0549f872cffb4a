import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { writeSmallRelease } from '../clients/oci-image.ts';
import { needTool } from '../clients/require.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const TYPED = ['One folder', 'Into a bucket'];
const minio = needTool('minio');

/** The `sh` blocks of a section of the document, in order. */
function blocksOf(document: string, title: string): readonly string[] {
  const section = document.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
}

describe.skipIf(minio === undefined)('docs/operate.md', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-operate-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('moves an origin into a bucket by the commands that it shows', async () => {
    const document = await readFile(join(ROOT, 'docs/operate.md'), 'utf8');
    const [folder = [], bucket = []] = TYPED.map((title) => blocksOf(document, title));
    expect([folder.length, bucket.length]).toEqual([1, 6]);
    await programs();
    await writeSmallRelease(join(dir, 'release'), 'v', 1);
    // Between the sections a release is pushed; at the end it is pulled out of the bucket.
    const push = 'rivulet push oci:release:v app:stable --server http://127.0.0.1:8480\n';
    const pull = 'curl -sf http://127.0.0.1:8480/v2/app/manifests/stable -o pulled\n';
    const begin = `set -em\ntrap 'kill $(jobs -p) || true; wait || true' EXIT\n`;
    const script = [begin, ...folder, push, ...bucket, pull];
    const typed = await onFreePorts(script.join(''));

    const { code, output } = await bash(typed);
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toContain('0 faults');
    expect(output).toContain('migrate-store --data ./origin --to rivulet-s3.yaml --final');
    const names = await readdir(join(dir, 'release/blobs/sha256'));
    const manifests = await Promise.all(
      names.map((name) => readFile(join(dir, 'release/blobs/sha256', name))),
    );
    const pulled = await readFile(join(dir, 'pulled'));
    expect(manifests.some((bytes) => bytes.equals(pulled))).toBe(true);
    expect(await readdir(join(dir, 'origin'))).not.toContain('store');
  }, 240_000);

  /** What the commands call, on a PATH of their own. */
  async function programs(): Promise<void> {
    await mkdir(join(dir, 'bin'));
    const main = join(ROOT, 'dist/server/cli/main.js');
    const script = `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`;
    await writeFile(join(dir, 'bin/rivulet'), script, { mode: 0o755 });
    await symlink(minio ?? '', join(dir, 'bin/minio'));
  }

  function bash(
    script: string,
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const path = `${join(dir, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    const child = spawn('bash', ['-c', script], {
      cwd: dir,
      env: { ...process.env, PATH: path, RIVULET_MATRIX_BUILDERS: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (part: Buffer) => {
        output += part.toString();
      });
    }
    return once(child, 'exit').then(([code]) => ({ code: code as number | null, output }));
  }
});

async function onFreePorts(script: string): Promise<string> {
  const [origin, store] = [await freePort(), await freePort()];
  return script.replaceAll(':8480', `:${origin}`).replaceAll(':9000', `:${store}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
