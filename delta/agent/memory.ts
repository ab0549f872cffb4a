import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';

import { errnoOf } from '../../storage/durable.ts';
import { DeviceError } from './errors.ts';
import type { Plan } from './protocol.ts';

/** Kernel files that tell memory: proc_meminfo(5), and cgroup v2's and v1's memory controllers. */
export interface MemoryFiles {
  readonly meminfo: string;
  /** Pairs of limit and use, in bytes; a pair that is not there, or says `max`, is no limit. */
  readonly groups: readonly (readonly [limit: string, used: string])[];
}

const LINUX_FILES: MemoryFiles = {
  meminfo: '/proc/meminfo',
  groups: [
    ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current'],
    ['/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory/memory.usage_in_bytes'],
  ],
};

/** Bytes of memory that the machine, or the group it puts this process in, can still give. */
export async function availableMemory(files: MemoryFiles = LINUX_FILES): Promise<number> {
  const meminfo = await readText(files.meminfo);
  const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo ?? '') ?? [];
  let bytes = kib === undefined ? freemem() : Number(kib) * 1024;
  for (const [limitPath, usedPath] of files.groups) {
    const limit = Number((await readText(limitPath)) ?? NaN);
    const used = Number((await readText(usedPath)) ?? NaN);
    if (Number.isFinite(limit - used)) bytes = Math.min(bytes, Math.max(0, limit - used));
  }
  return bytes;
}

/**
 * Throws `plan_needs_more` when a plan's stated memory is more than `maxRamBytes`, or, where that is
 * 0, than the machine has.
 */
export async function checkMemory(plan: Plan, maxRamBytes: number): Promise<void> {
  const has = maxRamBytes > 0 ? maxRamBytes : await availableMemory();
  if (plan.ramBytes <= has) return;
  const whose = maxRamBytes > 0 ? '--max-ram allows' : 'the machine has';
  throw new DeviceError(
    'plan_needs_more',
    `the ${plan.kind} plan needs ${plan.ramBytes} bytes of memory, ${whose} ${has}`,
    { detail: { ramBytes: plan.ramBytes, has } },
  );
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'latin1')).trim();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EACCES') return undefined;
    throw error;
  }
}
