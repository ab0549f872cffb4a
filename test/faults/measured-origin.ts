import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { spawnTypescript } from '../support/typescript-child.ts';

/** What a process holds after a collection, in bytes. */
export interface Memory {
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
}

/** An origin in a process of its own, whose memory can be looked at. */
export interface MeasuredOrigin {
  readonly url: string;
  readonly pid: number;
  memory(): Promise<Memory>;
  /** Bytes resident now (Linux). */
  rss(): Promise<number>;
  /** The most bytes resident since {@link resetPeak} (Linux). */
  peakRss(): Promise<number>;
  resetPeak(): Promise<void>;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
}

const CHILD = join(import.meta.dirname, 'measured-child.ts');

/** Starts an origin with an empty data folder; `settings` go over the configuration's defaults. */
export async function startMeasuredOrigin(
  settings: Readonly<Record<string, unknown>> = {},
): Promise<MeasuredOrigin> {
  const data = await mkdtemp(join(tmpdir(), 'rivulet-measured-'));
  const flags = { data, listen: '127.0.0.1:0', ...settings };
  const child = spawnTypescript(CHILD, [JSON.stringify(flags)]);
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const lines = createInterface({ input: child.stdout });
  const nextLine = async (): Promise<unknown> => {
    const [line] = (await once(lines, 'line')) as [string];
    return JSON.parse(line);
  };
  const ended = exited.then(([code]) => {
    throw new Error(`the origin ended with ${code}`);
  });
  const { url } = (await Promise.race([nextLine(), ended])) as { url: string };
  // From here on its end is what a test asked for.
  ended.catch(() => undefined);
  const pid = child.pid ?? 0;
  return {
    url,
    pid,
    async memory() {
      const line = nextLine();
      child.kill('SIGUSR2');
      return (await line) as Memory;
    },
    rss: () => statusBytes(pid, 'VmRSS'),
    peakRss: () => statusBytes(pid, 'VmHWM'),
    // proc_pid_clear_refs(5): 5 resets the peak.
    resetPeak: () => writeFile(`/proc/${pid}/clear_refs`, '5'),
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exited;
      await rm(data, { recursive: true, force: true });
      return code;
    },
  };
}

async function statusBytes(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`no ${field} in the status of ${pid}`);
  return Number(kilobytes) * 1024;
}
