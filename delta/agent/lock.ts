import { rmSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf } from '../../storage/durable.ts';
import { DeviceError } from './errors.ts';

const NAME = /^(\d{1,10})\.(\d{1,20})\.([0-9a-f]{1,8})$/;

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes a folder's lock; `locked` when another live process holds it.
 *
 * The lock is a folder with one file per process that wants it, named by pid, start time and boot.
 * A process first adds its own file and then looks at the others': of two that overlap at least one
 * sees the other and steps back, so both never hold it. Files of dead processes are removed; a name
 * never comes back to life, so that removing one cannot hit a live holder.
 */
export async function takeLock(folder: string): Promise<Lock> {
  await mkdir(folder, { recursive: true });
  const name = await ownName();
  const path = join(folder, name);
  await (await open(path, 'w')).close();
  const onExit = (): void => {
    rmSync(path, { force: true });
  };
  try {
    for (const other of await readdir(folder)) {
      if (other === name) continue;
      if (await isAlive(other)) {
        throw new DeviceError(
          'locked',
          `another rivulet-device (process ${other.split('.', 1)[0] ?? ''}) works on ${folder}; wait for it to end`,
        );
      }
      await rm(join(folder, other), { force: true });
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  process.once('exit', onExit);
  return {
    release: async () => {
      process.removeListener('exit', onExit);
      await rm(path, { force: true });
    },
  };
}

async function ownName(): Promise<string> {
  return `${process.pid}.${(await startTime(process.pid)) ?? '0'}.${await bootId()}`;
}

/** False only for a process that is surely gone. */
async function isAlive(name: string): Promise<boolean> {
  const [, pidText, start, boot] = NAME.exec(name) ?? [];
  if (pidText === undefined) return false;
  if (boot !== (await bootId())) return false;
  const pid = Number(pidText);
  const now = await startTime(pid);
  if (now !== undefined) return now === start;
  try {
    process.kill(pid, 0);
    return start === '0';
  } catch (error) {
    return errnoOf(error) === 'EPERM' && start === '0';
  }
}

/**
 * Ticks from boot to the process's start (proc(5), field 22); undefined for a process that is gone or
 * a zombie, and where there is no /proc.
 */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readProc(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19];
}

async function bootId(): Promise<string> {
  const id = await readProc('/proc/sys/kernel/random/boot_id');
  return id === undefined ? '0' : id.slice(0, 8);
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}
