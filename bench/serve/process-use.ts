import { readFile } from 'node:fs/promises';

/** Of a process and all that it started. */
export interface ProcessUse {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** Linux counts processor time in this unit for every program (proc(5), USER_HZ). */
const TICKS_PER_SECOND = 100;

/** What a running process and its descendants have used; pages that they share count for each. */
export async function processUse(pid: number): Promise<ProcessUse> {
  const [ticks, rssBytes, children] = await Promise.all([
    readTicks(pid),
    readRss(pid),
    readFile(`/proc/${pid}/task/${pid}/children`, 'latin1'),
  ]);
  const below = await Promise.all(
    children
      .split(' ')
      .filter(Boolean)
      .map((child) => processUse(Number(child))),
  );
  return {
    cpuSeconds: below.reduce((sum, use) => sum + use.cpuSeconds, ticks.own / TICKS_PER_SECOND),
    rssBytes: below.reduce((sum, use) => sum + use.rssBytes, rssBytes),
  };
}

/** Processor time of this process and of the children that have ended. */
export async function ownCpuSeconds(): Promise<number> {
  const ticks = await readTicks(process.pid);
  return (ticks.own + ticks.ended) / TICKS_PER_SECOND;
}

/** proc_pid_stat(5): utime, stime, cutime and cstime are fields 14 to 17. */
async function readTicks(pid: number): Promise<{ readonly own: number; readonly ended: number }> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1');
  // The second field is a name in parentheses that may hold spaces; the third follows the last one.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
  return { own: user + system, ended: endedUser + endedSystem };
}

async function readRss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
