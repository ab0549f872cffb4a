import { readdir, readlink } from 'node:fs/promises';

/** How many descriptors of a process are of files with `part` in their path (Linux). */
export async function openFiles(pid: number, part: string): Promise<number> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(
    // One that is closed meanwhile is no longer open.
    names.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  );
  return links.filter((link) => link.includes(part)).length;
}
