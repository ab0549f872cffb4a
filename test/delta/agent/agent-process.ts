import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readlink, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { digestOf, digestHex, type Digest } from '../../../storage/digest.ts';

const MAIN = resolve(import.meta.dirname, '../../../dist/delta/agent/main.js');

export interface AgentResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON lines of stdout. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** The last of them. */
  readonly result: Readonly<Record<string, unknown>>;
}

export interface AgentRun {
  readonly child: ChildProcess;
  readonly done: Promise<AgentResult>;
}

/** Starts the built program as a process of its own. */
export function startAgent(args: readonly string[], env: Record<string, string> = {}): AgentRun {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run "npm run build" first`);
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString('utf8')));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString('utf8')));
  const done = new Promise<AgentResult>((settle) => {
    child.once('close', (code) => {
      const lines = stdout
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
      settle({ code, stdout, stderr, lines, result: lines.at(-1) ?? {} });
    });
  });
  return { child, done };
}

export function runAgent(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<AgentResult> {
  return startAgent(args, env).done;
}

/**
 * The source manifest of what `current` points to, after digesting every blob of it here, apart from
 * the agent; undefined when there is no `current`. Throws when the release is not whole.
 */
export async function wholeCurrent(data: string): Promise<Digest | undefined> {
  let slot: string;
  try {
    slot = join(data, await readlink(join(data, 'current')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const index = JSON.parse(await readFile(join(slot, 'index.json'), 'utf8')) as {
    manifests: [{ digest: Digest; annotations: Record<string, Digest> }];
  };
  const [entry] = index.manifests;
  const variant = JSON.parse((await blob(slot, entry.digest)).toString('utf8')) as {
    config: { digest: Digest };
    layers: { digest: Digest; size: number; mediaType: string }[];
  };
  await blob(slot, variant.config.digest);
  for (const layer of variant.layers) {
    const bytes = await blob(slot, layer.digest);
    if (bytes.length !== layer.size) throw new Error(`${layer.digest} has another size`);
  }
  const source = entry.annotations['org.rivulet.source.digest'];
  if (source === undefined) throw new Error('no source digest');
  await blob(slot, source);
  return source;
}

async function blob(slot: string, digest: Digest): Promise<Buffer> {
  const bytes = await readFile(join(slot, 'blobs/sha256', digestHex(digest)));
  if (digestOf(bytes) !== digest) throw new Error(`${slot}: the blob ${digest} is damaged`);
  return bytes;
}
