import { readFile } from 'node:fs/promises';

/** The kernel's name for this boot, another after each reboot (random(4), boot_id). */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
}
