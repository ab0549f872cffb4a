import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { RunningPeer } from './peer.ts';

const START_TRIES = 400;
const BETWEEN_TRIES_MS = 25;
/** A server that has not ended this long after SIGTERM is killed. */
const STOP_MS = 10_000;

export interface ChildServer {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its log goes here. */
  readonly dir: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Starts a server and waits until it takes connections on its loopback port. */
export async function startChild(server: ChildServer): Promise<RunningPeer> {
  const log = join(server.dir, 'log');
  const output = openSync(log, 'a');
  const child = spawn(server.command, [...server.args], {
    stdio: ['ignore', output, output],
    env: { ...process.env, ...server.env },
  });
  closeSync(output);
  const exited = once(child, 'exit');
  // Listened to where the server is stopped; a server that ends before is noticed by its exit code.
  exited.catch(() => undefined);
  for (let tries = 0; !(await takesConnections(server.port)); tries += 1) {
    if (child.exitCode !== null || tries === START_TRIES) {
      child.kill('SIGKILL');
      const tail = await logTail(log);
      throw new Error(`${server.command} does not listen on ${server.port}: ${tail}`);
    }
    await sleep(BETWEEN_TRIES_MS);
  }
  return {
    url: `${server.tls ? 'https' : 'http'}://127.0.0.1:${server.port}`,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      if (child.exitCode === null) await exited;
      clearTimeout(killer);
    },
  };
}

/** The last that a server said. */
export async function logTail(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim().slice(-500);
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
