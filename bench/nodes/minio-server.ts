import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort } from './free-port.ts';

/** A MinIO server with one bucket, on loopback, as settings of an origin say it. */
export interface BucketServer {
  readonly env: NodeJS.ProcessEnv;
  readonly stop: () => Promise<void>;
}

const BUCKET = 'rivulet';

/** Starts the program at `path` over a folder below `dir`. */
export async function startBucket(path: string, dir: string): Promise<BucketServer> {
  const folder = join(dir, 'minio');
  await mkdir(join(folder, BUCKET), { recursive: true });
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const [accessKey, secretKey] = [randomBytes(8).toString('hex'), randomBytes(16).toString('hex')];
  const address = ['--address', new URL(endpoint).host, '--console-address', '127.0.0.1:0'];
  const child = spawn(path, ['server', '--quiet', ...address, folder], {
    stdio: 'ignore',
    env: { ...process.env, MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, CI: '' },
  });
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(`${endpoint}/minio/health/ready`, child);
  } catch (error) {
    await stop();
    throw error;
  }
  const env = {
    RIVULET_STORE_KIND: 's3',
    RIVULET_STORE_ENDPOINT: endpoint,
    RIVULET_STORE_BUCKET: BUCKET,
    RIVULET_STORE_ACCESS_KEY: accessKey,
    RIVULET_STORE_SECRET_KEY: secretKey,
  };
  return { env, stop };
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) throw new Error(`minio ended with status ${child.exitCode}`);
    const ready = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await sleep(50);
  }
  throw new Error('minio did not become ready');
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
