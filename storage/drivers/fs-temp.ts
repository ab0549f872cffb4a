import { randomBytes } from 'node:crypto';
import { readFile, readdir, readlink, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { errnoOf } from '../durable.ts';

/** A temporary file of a machine that we can't ask is dead after a day without a write. */
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1000;
const NAME = /^([0-9a-zA-Z_]+)-([0-9]+)-([0-9]+)-[0-9a-f]{16}$/;

/**
 * Names of temporary files say who writes them, so that the files of dead processes can be removed
 * while others go on writing: `<host>-<pid>-<start>-<random>`. The host is the running system and its
 * process namespace, since a pid means something only there; the start time tells a process from a
 * later one of the same pid.
 */
export class TempNames {
  readonly #host: string;
  readonly #start: string;

  private constructor(host: string, start: string) {
    this.#host = host;
    this.#start = start;
  }

  static async open(): Promise<TempNames> {
    return new TempNames(await hostIdentity(), (await processStart(process.pid)) ?? '0');
  }

  next(): string {
    return `${this.#host}-${process.pid}-${this.#start}-${randomBytes(8).toString('hex')}`;
  }

  /** Removes the files in `directory` that no living process can still be writing. */
  async sweep(directory: string): Promise<void> {
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      if (await this.#isDead(name, path)) await rm(path, { force: true });
    }
  }

  async #isDead(name: string, path: string): Promise<boolean> {
    const [, host, pid, start] = NAME.exec(name) ?? [];
    if (host === this.#host && pid !== undefined) {
      const now = await processStart(Number(pid));
      return now === undefined || now !== start;
    }
    try {
      return Date.now() - (await stat(path)).mtimeMs > FOREIGN_AGE_MS;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  }
}

/** One word for the running system and process namespace; the host's name where there is no /proc. */
async function hostIdentity(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const namespace = await readlink('/proc/self/ns/pid');
    return `${boot}${namespace}`.replace(/[^0-9a-zA-Z]/g, '');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return hostname().replace(/[^0-9a-zA-Z]/g, '_');
  }
}

/**
 * When a process started, in the kernel's ticks (proc(5), /proc/pid/stat field 22); undefined when it
 * is gone, `0` when it lives but the system does not tell.
 */
async function processStart(pid: number): Promise<string | undefined> {
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses: fields are counted after the last one.
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
  try {
    process.kill(pid, 0);
    return '0';
  } catch (error) {
    return errnoOf(error) === 'EPERM' ? '0' : undefined;
  }
}
