import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

import { ownCpuSeconds } from '../serve/process-use.ts';

const LOOK_EVERY_MS = 10;

export interface WatchedProcess {
  readonly code: number | null;
  readonly ms: number;
  readonly cpuMs: number;
  /** The most memory that it had resident (VmHWM, proc(5)), as last seen before its end. */
  readonly peakRssBytes: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Node to its end and watches it. One at a time: processor time is that of ended children. */
export async function watchNode(args: readonly string[]): Promise<WatchedProcess> {
  const cpuBefore = await ownCpuSeconds();
  const startMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  let peakRssBytes = 0;
  const timer = setInterval(() => {
    void peakOf(child.pid ?? 0).then((bytes) => (peakRssBytes = Math.max(peakRssBytes, bytes)));
  }, LOOK_EVERY_MS);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const ms = performance.now() - startMs;
  const cpuMs = Math.max(0, ((await ownCpuSeconds()) - cpuBefore) * 1000);
  return { code, ms, cpuMs, peakRssBytes, stdout, stderr };
}

/** 0 once the process has ended. */
async function peakOf(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'latin1');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return 0;
    throw error;
  }
}
