import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

import { startMinio } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { ask, MIB, noise, startOrigin, tempFolder, until } from './tools.ts';

const program = fileURLToPath(new URL('../../../dist/server/cli/main.js', import.meta.url));

/** Starts the built program; resolves with its URL. */
async function spawnCache(
  upstream: string,
  data: string,
  env: NodeJS.ProcessEnv = {},
): Promise<[ChildProcess, string]> {
  const flags = ['--upstream', upstream, '--region', 'eu', '--data', data];
  const child = spawn(
    process.execPath,
    [program, 'cache', ...flags, '--listen', '127.0.0.1:0', '--log-level', 'error'],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  for await (const line of createInterface(child.stdout)) {
    return [child, (JSON.parse(line) as { url: string }).url];
  }
  throw new Error('the cache did not start');
}

test('kill -9 in mid-fill: the next run goes on with what it had', async () => {
  if (isBuilt()) await killInFill({});
});

const minioPath = needTool('minio');

test.skipIf(minioPath === undefined)('the same with blobs in a bucket', async () => {
  if (!isBuilt()) return;
  const minio = await startMinio(minioPath ?? '');
  onTestFinished(() => minio.stop());
  await killInFill({
    RIVULET_STORE_KIND: 's3',
    RIVULET_STORE_ENDPOINT: minio.endpoint,
    RIVULET_STORE_BUCKET: await minio.makeBucket(),
    RIVULET_STORE_ACCESS_KEY: minio.accessKey,
    RIVULET_STORE_SECRET_KEY: minio.secretKey,
  });
});

function isBuilt(): boolean {
  if (existsSync(program)) return true;
  if (process.env['CI'] === 'true') throw new Error('not built: npm run build');
  process.stdout.write('skip: kill -9 of a cache needs the built program (npm run build)\n');
  return false;
}

async function killInFill(env: NodeJS.ProcessEnv): Promise<void> {
  const origin = await startOrigin();
  const blob = noise(10 * MIB);
  const digest = origin.add(blob);
  origin.pauseMs = 15;
  const data = await tempFolder();
  const [first, url] = await spawnCache(origin.url, data, env);
  const broken = ask(`${url}/v1/blobs/${digest}`);
  const settled = broken.then(
    () => 'whole',
    () => 'broken',
  );
  await until(() => origin.sent > 6 * MIB);
  first.kill('SIGKILL');
  expect(await settled).toBe('broken');

  origin.pauseMs = 0;
  const [second, again] = await spawnCache(origin.url, data, env);
  const whole = await ask(`${again}/v1/blobs/${digest}`);
  expect(whole.body.equals(blob)).toBe(true);
  const status = await ask(`${again}/v1/status`);
  const { egressBytes } = JSON.parse(status.body.toString()) as { egressBytes: number };
  expect(egressBytes).toBeLessThan(blob.length - MIB);
  const exited = new Promise((resolve) => second.once('exit', resolve));
  second.kill('SIGTERM');
  expect(await exited).toBe(0);
}
