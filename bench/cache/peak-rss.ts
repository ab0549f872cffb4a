import { readFile } from 'node:fs/promises';

/** The most memory that a running process has had (proc_pid_status(5), VmHWM), bytes. */
export async function peakRss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`process ${pid} does not say its peak of memory`);
  return Number(kilobytes) * 1024;
}
