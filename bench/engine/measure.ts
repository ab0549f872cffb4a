import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** What a program used, with all that it started and waited for. */
export interface Use {
  /** User and system time; the kernel tells it in hundredths. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** The largest sum, over the processes alive at one time, of each one's resident high water. */
  readonly peakBytes: number;
}

export const NO_USE: Use = { cpuSeconds: 0, wallSeconds: 0, peakBytes: 0 };

/** One after the other: times add up, the larger peak counts. */
export function addUse(first: Use, second: Use): Use {
  return {
    cpuSeconds: first.cpuSeconds + second.cpuSeconds,
    wallSeconds: first.wallSeconds + second.wallSeconds,
    peakBytes: Math.max(first.peakBytes, second.peakBytes),
  };
}

/** Linux counts processor time in this unit for every program (proc(5), USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Close together at first, for programs that are soon done. */
const SAMPLE_MS = { early: 2, late: 10, earlyMs: 200 } as const;
const ERROR_CHARACTERS = 2000;

/**
 * Runs a program to its end, one at a time: its processor time is what this process's ended
 * children gain. Memory is read from /proc every few ms; a peak in a program's last moment is missed.
 * Throws with the program's words when it fails.
 */
export async function measure(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Use> {
  const cpuBefore = endedTicks();
  const begun = performance.now();
  const child = spawn(command, [...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-ERROR_CHARACTERS);
  });
  let peakBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const sample = (): void => {
    if (child.pid !== undefined) peakBytes = Math.max(peakBytes, highWater(child.pid));
    const isEarly = performance.now() - begun < SAMPLE_MS.earlyMs;
    timer = setTimeout(sample, isEarly ? SAMPLE_MS.early : SAMPLE_MS.late);
  };
  try {
    sample();
    let ended = NaN;
    child.once('exit', () => {
      ended = performance.now();
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    const wallSeconds = (ended - begun) / 1000;
    if (code !== 0) {
      throw new Error(`${basename(command)} ended with ${code ?? signal}: ${errors.trim()}`);
    }
    return { cpuSeconds: (endedTicks() - cpuBefore) / TICKS_PER_SECOND, wallSeconds, peakBytes };
  } finally {
    clearTimeout(timer);
  }
}

/** proc_pid_stat(5): cutime and cstime are fields 16 and 17, counted from after the name's `)`. */
function endedTicks(): number {
  const text = readFileSync('/proc/self/stat', 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[13]) + Number(fields[14]);
}

/** VmHWM of a process and its living descendants; 0 once it has ended. */
function highWater(pid: number): number {
  const status = readProc(`/proc/${pid}/status`);
  const own = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  const children = readProc(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + highWater(Number(child)), own);
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process has ended since.
    return '';
  }
}
