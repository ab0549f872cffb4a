import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { writeTar } from '../../bench/demo/tar-writer.ts';
import { digestOf } from '../../storage/digest.ts';
import { startMinio, type MinioServer } from '../clients/minio.ts';
import { seededBytes, writeSmallRelease } from '../clients/oci-image.ts';
import { needTool } from '../clients/require.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../clients/rivulet.ts';

const minioPath = needTool('minio');
const RIVULET = resolve(import.meta.dirname, '../../dist/server/cli/main.js');
const KILLS = 3;
const REF = 'os/x86_64/stable';

describe.skipIf(minioPath === undefined)('the move of a folder into MinIO', () => {
  let dir = '';
  let data = '';
  let settings = '';
  let minio: MinioServer;
  let server: ServerProcess | undefined;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-migrate-'));
    [data, settings] = [join(dir, 'data'), join(dir, 'rivulet-s3.yaml')];
    minio = await startMinio(minioPath ?? '');
    const { endpoint, accessKey, secretKey } = minio;
    const bucket = await minio.makeBucket();
    const store = { kind: 's3', endpoint, bucket, accessKey, secretKey };
    await writeFile(settings, JSON.stringify({ data, store }));
  });
  afterEach(async () => {
    await server?.kill();
    await minio.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const layout = (version: number): string => join(dir, `release-${version}`);

  async function serve(flags: readonly string[]): Promise<ServerProcess> {
    server = await startRivulet(['serve', ...flags, '--listen', '127.0.0.1:0'], {
      RIVULET_MATRIX_BUILDERS: '0',
    });
    return server;
  }

  async function push(url: string, version: number): Promise<void> {
    await writeSmallRelease(layout(version), 'v', version);
    await run(['push', `oci:${layout(version)}:v`, 'app:stable', '--server', url]);
  }

  async function run(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await runRivulet(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  }

  /** Runs the migrator for a while and ends it the hard way; true if it was still at work. */
  async function killMigrator(): Promise<boolean> {
    const args = ['migrate-store', '--data', data, '--to', settings, '--limit', '150000'];
    const child = spawn(process.execPath, [RIVULET, ...args], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    await sleep(1500 + Math.random() * 2500);
    child.kill('SIGKILL');
    const [, signal] = (await exited) as [number | null, NodeJS.Signals | null];
    return signal === 'SIGKILL';
  }

  it('goes on after kills, beside pushes, and leaves nothing behind', async () => {
    const { url } = await serve(['--data', data]);
    await push(url, 1);
    const root = join(dir, 'root.tar');
    await writeFile(
      root,
      writeTar([{ path: 'usr/bin/tool', mode: 0o755, bytes: seededBytes('tool', 300_000) }]),
    );
    await run(['push', `rootfs:${root}`, 'fleet/os', '--branch', REF, '--server', url]);
    const ref = await text(`${url}/ostree/fleet/os/refs/heads/${REF}`);

    let killed = 0;
    for (let round = 1; round <= KILLS; round += 1) {
      const [atWork] = await Promise.all([killMigrator(), push(url, round + 1)]);
      if (atWork) killed += 1;
    }
    expect(killed).toBeGreaterThan(0);

    const online = await run(['migrate-store', '--data', data, '--to', settings]);
    expect(online).toContain(`migrate-store --data ${data} --to ${settings} --final`);
    // What the last run finds: a release, and half of an upload.
    await push(url, KILLS + 2);
    const upload = await beginUpload(url, 'first half, ');
    await server?.stop();

    const final = await run([
      'migrate-store',
      '--data',
      data,
      '--to',
      settings,
      '--final',
      '--json',
    ]);
    const events = final
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Event);
    expect(events.find(({ event }) => event === 'pass')?.copied).toBeGreaterThan(1);
    expect(events.at(-1)).toMatchObject({ event: 'checked', faults: 0 });
    const again = await run([
      'migrate-store',
      '--data',
      data,
      '--to',
      settings,
      '--final',
      '--verify',
    ]);
    expect(again).toContain('copied 0 (0 B)');

    await rename(join(data, 'store'), join(dir, 'old-store'));
    const moved = await serve(['--config', settings]);
    for (let version = 1; version <= KILLS + 2; version += 1) {
      const blobs = join(layout(version), 'blobs/sha256');
      for (const name of await readdir(blobs)) {
        const bytes = Buffer.from(
          await (await fetch(`${moved.url}/v1/blobs/sha256:${name}`)).arrayBuffer(),
        );
        expect(bytes.equals(await readFile(join(blobs, name)))).toBe(true);
      }
    }
    expect(await text(`${moved.url}/ostree/fleet/os/refs/heads/${REF}`)).toBe(ref);
    const commit = ref.trim();
    const object = `objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`;
    expect((await fetch(`${moved.url}/ostree/fleet/os/${object}`)).status).toBe(200);
    await endUpload(moved.url, upload, 'first half, ', 'second half');
    expect(await run(['fsck', '--config', settings])).toContain(': 0 faults');
  }, 240_000);

  it('copies nothing that is damaged, and does not call a store whole that is not', async () => {
    const { url } = await serve(['--data', data]);
    await push(url, 1);
    await server?.stop();
    const folder = join(data, 'store/blobs/sha256');
    const files = await readdir(folder, { recursive: true, withFileTypes: true });
    const victim = files.find((entry) => entry.isFile());
    const path = join(victim?.parentPath ?? '', victim?.name ?? '');
    const bytes = await readFile(path);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    await rm(path);
    await writeFile(path, bytes);

    const damaged = await runRivulet(['migrate-store', '--data', data, '--to', settings]);
    expect(damaged.code).not.toBe(0);
    expect(damaged.stdout).toContain(victim?.name);
    expect(damaged.stderr).toContain('fsck --repair');
    await rm(path);
    const lacking = await runRivulet([
      'migrate-store',
      '--data',
      data,
      '--to',
      settings,
      '--final',
    ]);
    expect(lacking.code).not.toBe(0);
    expect(lacking.stdout).toContain(`missing: sha256:${victim?.name ?? ''}`);
    expect(lacking.stderr).toContain('do not switch');
  });

  it('refuses settings that lead nowhere', async () => {
    const same = await runRivulet([
      'migrate-store',
      '--data',
      data,
      '--from',
      settings,
      '--to',
      settings,
    ]);
    expect([same.code, same.stderr]).toEqual([
      2,
      expect.stringContaining('names the store that is moved'),
    ]);
    const elsewhere = await runRivulet([
      'migrate-store',
      '--from',
      join(dir, 'from.json'),
      '--to',
      settings,
    ]);
    expect(elsewhere.code).toBe(2);
    await writeFile(join(dir, 'from.json'), JSON.stringify({ data: join(dir, 'other') }));
    const apart = await runRivulet([
      'migrate-store',
      '--from',
      join(dir, 'from.json'),
      '--to',
      settings,
    ]);
    expect([apart.code, apart.stderr]).toEqual([
      2,
      expect.stringContaining('the catalog stays in'),
    ]);
  });
});

interface Event {
  readonly event: string;
  readonly copied?: number;
  readonly faults?: number;
}

async function text(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return response.text();
}

async function beginUpload(url: string, half: string): Promise<string> {
  const begun = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' });
  const path = new URL(begun.headers.get('location') ?? '', url).pathname;
  const headers = { 'content-range': `0-${half.length - 1}` };
  const sent = await fetch(`${url}${path}`, { method: 'PATCH', body: half, headers });
  expect(sent.status).toBe(202);
  return path;
}

async function endUpload(url: string, path: string, half: string, rest: string): Promise<void> {
  const digest = digestOf(Buffer.from(half + rest));
  const done = await fetch(`${url}${path}?digest=${digest}`, { method: 'PUT', body: rest });
  expect(done.status).toBe(201);
  expect(await text(`${url}/v1/blobs/${digest}`)).toBe(half + rest);
}
