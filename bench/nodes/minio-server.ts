import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'minio';

import { makeScratch } from '../scratch.ts';
import { freePort } from '../free-port.ts';

/** A MinIO server of one's own, on loopback, with a fresh folder. */
export interface MinioServer {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** For looking at what the store does from outside. */
  readonly client: Client;
  /** Makes a bucket of a fresh name. */
  makeBucket(): Promise<string>;
  /** Kills the process; its data stay. */
  halt(): Promise<void>;
  /** Starts it again after {@link halt}, at the same address. */
  resume(): Promise<void>;
  stop(): Promise<void>;
}

const REGION = 'us-east-1';

/** Starts the MinIO binary at `path`; resolves once it answers. */
export async function startMinio(path: string): Promise<MinioServer> {
  const { path: folder, remove } = await makeScratch('minio');
  const port = await freePort();
  const accessKey = `key${randomBytes(8).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  const launch = (): ChildProcess =>
    spawn(
      path,
      [
        'server',
        '--quiet',
        '--address',
        `127.0.0.1:${port}`,
        '--console-address',
        '127.0.0.1:0',
        folder,
      ],
      {
        stdio: 'ignore',
        env: {
          ...process.env,
          MINIO_ROOT_USER: accessKey,
          MINIO_ROOT_PASSWORD: secretKey,
          MINIO_UPDATE: 'off',
          CI: '',
        },
      },
    );
  let child = launch();
  const client = new Client({
    endPoint: '127.0.0.1',
    port,
    useSSL: false,
    accessKey,
    secretKey,
    region: REGION,
    retryOptions: { disableRetry: true },
  });
  const halt = (): Promise<void> => end(child);
  const resume = async (): Promise<void> => {
    child = launch();
    await untilReady(client, child);
  };
  const stop = async (): Promise<void> => {
    await halt();
    await remove();
  };
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await untilReady(client, child);
  } catch (error) {
    await stop();
    throw error;
  }
  const makeBucket = async (): Promise<string> => {
    const bucket = `rivulet-${randomBytes(6).toString('hex')}`;
    await client.makeBucket(bucket, REGION);
    return bucket;
  };
  const account = { region: REGION, accessKey, secretKey };
  return { endpoint, ...account, client, makeBucket, halt, resume, stop };
}

async function untilReady(client: Client, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) throw new Error(`minio ended with status ${child.exitCode}`);
    // Its own health page says ready a moment too early.
    const ready = await client.listBuckets().then(
      () => true,
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
