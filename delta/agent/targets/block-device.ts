import { constants } from 'node:fs';
import { open, readdir, readFile, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf } from '../../../storage/durable.ts';
import { DeviceError } from '../errors.ts';

/** A block device, or a plain file in its place, open for reading and writing. Close it. */
export interface OpenDevice {
  readonly file: FileHandle;
  /** Bytes that it holds; it never grows. */
  readonly size: number;
}

/**
 * Opens a device that nobody uses. Throws `io` when it is missing, mounted, under a loop device or
 * otherwise taken: the kernel refuses O_EXCL for a block device in use (open(2)).
 */
export async function openDevice(path: string): Promise<OpenDevice> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw unusable(path, 'is missing', cause);
  });
  const isBlock = facts.isBlockDevice();
  if (!isBlock && !facts.isFile()) throw unusable(path, 'is neither a block device nor a file');
  if (isBlock && (await isMounted(facts.rdev))) throw unusable(path, 'is mounted');
  const loop = isBlock ? undefined : await loopOver(path);
  if (loop !== undefined) throw unusable(path, `is in use by ${loop}`);
  const file = await open(path, constants.O_RDWR | (isBlock ? constants.O_EXCL : 0)).catch(
    (cause: unknown) => {
      throw unusable(path, errnoOf(cause) === 'EBUSY' ? 'is in use' : 'does not open', cause);
    },
  );
  try {
    return { file, size: isBlock ? await blockBytes(facts.rdev) : facts.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens a device that may be in use, for reading only. Close it. */
export async function openForReading(path: string): Promise<OpenDevice> {
  const file = await open(path, constants.O_RDONLY);
  try {
    const facts = await file.stat();
    return { file, size: facts.isBlockDevice() ? await blockBytes(facts.rdev) : facts.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function unusable(path: string, why: string, cause?: unknown): DeviceError {
  return new DeviceError(
    'io',
    `${path} ${why}; --target ab:A,B needs the device that does not run first on a first install, and both unmounted while they are written`,
    { cause },
  );
}

/** `major:minor`, in Linux's coding of a device number. */
function deviceNumber(rdev: number): string {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** By the kernel's list of this process's mounts (proc(5), mountinfo, field 3). */
async function isMounted(rdev: number): Promise<boolean> {
  const number = deviceNumber(rdev);
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return text.split('\n').some((line) => line.split(' ')[2] === number);
}

/** sysfs counts sectors of 512 bytes, whatever the disk's own are. */
async function blockBytes(rdev: number): Promise<number> {
  const text = await readFile(`/sys/dev/block/${deviceNumber(rdev)}/size`, 'latin1');
  return Number(text.trim()) * 512;
}

/** The loop device that stands on a plain file, if there is one. */
async function loopOver(path: string): Promise<string | undefined> {
  for (const name of await readdir('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    try {
      const backing = await readFile(join('/sys/block', name, 'loop/backing_file'), 'utf8');
      if (backing.trim() === path) return `/dev/${name}`;
    } catch (error) {
      // A loop device without a file has no such entry.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return undefined;
}
