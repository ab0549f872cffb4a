import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, expect, it } from 'vitest';

import type { ReleasesResponse } from '../../delta/agent/protocol.ts';
import type { MirrorStatus } from '../../server/cache/mirror/status.ts';
import { writeSmallRelease } from '../clients/oci-image.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../clients/rivulet.ts';

const DEVICE = resolve(import.meta.dirname, '../../dist/delta/agent/main.js');

let dir = '';
const running: ServerProcess[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-mirror-'));
  for (const version of [1, 2]) await writeSmallRelease(join(dir, `r${version}`), 'v', version);
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill();
  await rm(dir, { recursive: true, force: true });
});

async function start(args: readonly string[]): Promise<ServerProcess> {
  const server = await startRivulet([...args, '--listen', '127.0.0.1:0', '--log-level', 'error']);
  running.push(server);
  return server;
}

async function push(url: string, version: number): Promise<void> {
  const source = `oci:${join(dir, `r${version}`)}:v`;
  const done = await runRivulet(['push', source, 'app:stable', '--server', url, '--wait']);
  expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
}

async function update(server: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...[DEVICE, 'update', '--data', join(dir, 'device'), '--server', server],
    ...['--product', 'app', '--channel', 'stable', '--platform', 'linux/arm64', '--region', 'eu'],
    ...['--device-id', 'till-7'],
  ]);
  return stdout;
}

it('a release that the policy names is there before anybody asks, and without the origin', async () => {
  const origin = await start(['serve', '--data', join(dir, 'origin')]);
  await push(origin.url, 1);
  const config = join(dir, 'region.yaml');
  const rule =
    '{ repositories: app, tags: stable, platforms: [linux/arm64], what: [deltas, chunks] }';
  await writeFile(
    config,
    `upstream: ${origin.url}\nregion: eu\nrefreshMs: 200\nmirror: { rules: [${rule}] }\n`,
  );
  const cache = await start(['cache', '--config', config, '--data', join(dir, 'eu')]);
  expect(await update(cache.url)).toContain('by full');
  await push(origin.url, 2);

  const answer = await fetch(`${origin.url}/v1/releases`);
  const { releases } = (await answer.json()) as ReleasesResponse;
  const images = releases[0]?.platforms ?? [];
  const deltaOf = (platform: string): string =>
    images.find((image) => image.platform === platform)?.deltas[0]?.digest ?? '';
  const status = async () =>
    (await (await fetch(`${cache.url}/v1/status`)).json()) as {
      readonly mirrored: readonly string[];
      readonly mirror: MirrorStatus;
    };
  await expect
    .poll(
      async () => {
        const { mirrored, mirror } = await status();
        return [mirrored, mirror.lacking.count, mirror.lastError];
      },
      { timeout: 60_000 },
    )
    .toEqual([[deltaOf('linux/arm64')], 0, null]);

  await origin.kill();
  const get = async (path: string): Promise<number> => (await fetch(cache.url + path)).status;
  expect(await get(`/v1/blobs/${deltaOf('linux/arm64')}`)).toBe(200);
  expect(await get(`/v1/blobs/${deltaOf('linux/amd64')}`)).toBe(503);
  // The tag leads to the new release, though nobody pulled it.
  const tag = await fetch(`${cache.url}/v2/app/manifests/stable`);
  expect([tag.status, tag.headers.get('docker-content-digest')]).toEqual([
    200,
    releases[0]?.digest,
  ]);
  expect(await update(cache.url)).toContain('by delta');
}, 180_000);
