import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { runTool } from './run-tool.ts';

/** A containerd of a test's own: nothing of the machine's is used or touched. */
export interface Containerd {
  /** Everything of it is below; removed when it stops. */
  readonly dir: string;
  /** Runs `ctr` against it; its stdout. */
  readonly ctr: (...args: string[]) => Promise<string>;
  /** What `ctr` is started with, for a test that starts it itself. */
  readonly socket: string;
  /** For `--hosts-dir`. */
  readonly hostsDir: string;
  /** Has a registry's requests sent to a mirror. */
  readonly mirror: (registry: string, endpoint: string, tls?: MirrorTls) => Promise<void>;
  /** Pulls as its `hosts.toml` files say. */
  readonly pull: (reference: string, ...more: string[]) => Promise<string>;
  /** Digests of all content that it holds, sorted. */
  readonly contents: () => Promise<readonly string[]>;
  /** Bytes on disk of content that is on its way. */
  readonly ingested: () => Promise<number>;
  readonly stop: () => Promise<void>;
}

/** Files with which it meets a mirror over TLS. */
export interface MirrorTls {
  readonly ca: string;
  readonly client?: { readonly certFile: string; readonly keyFile: string };
}

/** The one needs networks, the other makes a folder outside of this one's. */
const DISABLED = ['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt'];

/** Starts it in a fresh folder; resolves once `ctr` reaches it. */
export async function startContainerd(
  programs: { readonly containerd: string; readonly ctr: string },
  env: NodeJS.ProcessEnv,
): Promise<Containerd> {
  // Its own short folder: the path of a socket has about 100 bytes.
  const dir = await mkdtemp(join(tmpdir(), 'rvt-ctd-'));
  const socket = join(dir, 'c.sock');
  await writeFile(join(dir, 'config.toml'), configOf(dir));
  const child = spawn(programs.containerd, ['--config', join(dir, 'config.toml')], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (part: Buffer) => {
    log += part.toString();
  });
  const exited = once(child, 'exit');
  const ctr = (...args: string[]) =>
    runTool(programs.ctr, ['--address', socket, ...args], { env, cwd: dir });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await untilReady(ctr, () => child.exitCode ?? child.signalCode ?? undefined);
  } catch (cause) {
    await stop();
    throw new Error(`containerd does not answer: ${log}`, { cause });
  }
  const hostsDir = join(dir, 'hosts');
  return {
    dir,
    socket,
    hostsDir,
    ctr,
    stop,
    mirror: (registry, ...to) => writeHosts(join(hostsDir, registry), registry, ...to),
    pull: (reference, ...more) =>
      ctr('images', 'pull', '--hosts-dir', hostsDir, ...more, reference),
    async contents() {
      const text = await ctr('content', 'ls', '-q');
      return text.split('\n').filter(Boolean).sort();
    },
    async ingested() {
      const folder = join(dir, 'root/io.containerd.content.v1.content/ingest');
      const names = await readdir(folder);
      const sizes = await Promise.all(names.map((name) => sizeOf(join(folder, name, 'data'))));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
  };
}

/** The bytes of a file; 0 when a running containerd has yet to make it, or has just taken it away. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Requests for `registry` go to `endpoint` first, with its name as `ns=`. */
async function writeHosts(
  dir: string,
  registry: string,
  endpoint: string,
  tls?: MirrorTls,
): Promise<void> {
  const { ca, client } = tls ?? {};
  await mkdir(dir, { recursive: true });
  const lines = [
    `server = "http://${registry}"`,
    `[host."${endpoint}"]`,
    'capabilities = ["pull", "resolve", "push"]',
    ...(ca === undefined ? [] : [`ca = "${ca}"`]),
    ...(client === undefined ? [] : [`client = [["${client.certFile}", "${client.keyFile}"]]`]),
    '',
  ];
  await writeFile(join(dir, 'hosts.toml'), lines.join('\n'));
}

function configOf(dir: string): string {
  return [
    'version = 2',
    `root = "${join(dir, 'root')}"`,
    `state = "${join(dir, 'state')}"`,
    `disabled_plugins = ${JSON.stringify(DISABLED)}`,
    '[grpc]',
    `address = "${join(dir, 'c.sock')}"`,
    '[ttrpc]',
    `address = "${join(dir, 't.sock')}"`,
    '',
  ].join('\n');
}

async function untilReady(
  ctr: (...args: string[]) => Promise<string>,
  ended: () => unknown,
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await ctr('version');
      return;
    } catch (error) {
      if (ended() !== undefined || tries >= 100) throw error;
      await sleep(100);
    }
  }
}

/** Mounts below a folder, by the kernel's own list. */
export async function mountsBelow(folder: string): Promise<readonly string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return text.split('\n').filter((line) => line.split(' ')[4]?.startsWith(`${folder}/`) === true);
}
