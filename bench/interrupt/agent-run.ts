import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

import { DISK_FAULT_ENV, type DiskFault, type DiskReport } from './disk/fault.ts';
import { PLATFORM } from './releases.ts';
import { PRODUCT } from './world.ts';

export interface AgentOptions {
  /** Folder of our compiled programs. */
  readonly dist: string;
  readonly data: string;
  readonly deviceId: string;
  readonly server: string;
  readonly channel: string;
  readonly disk?: DiskFault | undefined;
  readonly more?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** An agent at work. */
export interface AgentRun {
  readonly child: ChildProcess;
  /** Calls once so many lines were printed. */
  onLine(count: number, call: () => void): void;
  readonly done: Promise<AgentEnd>;
}

export interface AgentEnd {
  readonly code: number | null;
  readonly killed: boolean;
  readonly ms: number;
  readonly outcome: string | undefined;
  readonly reason: string | undefined;
  readonly stderr: string;
  readonly disk: DiskReport | undefined;
}

/** The program and its arguments, for Node. */
export function agentArgs(options: AgentOptions): readonly string[] {
  const { dist, data, deviceId, server, channel, more = [] } = options;
  return [
    ...[join(dist, 'delta/agent/main.js'), 'update', '--json', '--data', data],
    ...['--server', server, '--product', PRODUCT, '--channel', channel, '--region', 'eu'],
    ...['--platform', `${PLATFORM.os}/${PLATFORM.architecture}`, '--device-id', deviceId],
    ...['--stall-timeout', '2', ...more],
  ];
}

/** Starts `rivulet-device update`, with a fault under its disk if one is given. */
export function startAgent(options: AgentOptions): AgentRun {
  const { dist, disk } = options;
  const preload = pathToFileURL(join(dist, 'bench/interrupt/disk/preload.js')).href;
  const args = [...(disk === undefined ? [] : ['--import', preload]), ...agentArgs(options)];
  const startMs = Date.now();
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...options.env,
      ...(disk && { [DISK_FAULT_ENV]: JSON.stringify(disk) }),
    },
  });
  const lines: string[] = [];
  const watches: { readonly count: number; readonly call: () => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const { count, call } of watches) if (count === lines.length) call();
  });
  let stderr = '';
  child.stderr.on('data', (part: Buffer) => {
    stderr = (stderr + part.toString()).slice(-4000);
  });
  const closed = new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('close', (code, signal) => {
      resolve([code, signal]);
    });
  });
  return {
    child,
    onLine(count, call) {
      watches.push({ count, call });
    },
    done: closed.then(async ([code, signal]) => {
      const ms = Date.now() - startMs;
      const last = lastResult(lines);
      const report = await readReport(disk);
      const killed = signal === 'SIGKILL';
      return {
        code,
        killed,
        ms,
        outcome: last?.outcome,
        reason: last?.reason,
        stderr,
        disk: report,
      };
    }),
  };
}

function lastResult(
  lines: readonly string[],
): { readonly outcome: string; readonly reason?: string } | undefined {
  // A killed agent may leave half a line.
  const whole = lines.filter((line) => line.startsWith('{"event":"result"') && line.endsWith('}'));
  const last = whole.at(-1);
  return last === undefined ? undefined : (JSON.parse(last) as { outcome: string });
}

async function readReport(disk: DiskFault | undefined): Promise<DiskReport | undefined> {
  if (disk === undefined) return undefined;
  const text = await readFile(disk.report, 'utf8');
  await rm(disk.report);
  return JSON.parse(text) as DiskReport;
}
