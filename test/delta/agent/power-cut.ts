import * as fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

type Call = (...args: unknown[]) => Promise<unknown>;

/** Steps that are counted: each makes, replaces or removes a name. */
const STEPS = ['rename', 'rm', 'symlink', 'link', 'mkdir'] as const;
/** What else changes a disk. */
const ALSO = [
  'rmdir',
  'unlink',
  'writeFile',
  'chmod',
  'chown',
  'lchown',
  'utimes',
  'lutimes',
] as const;
const HANDLE = [
  'write',
  'writeFile',
  'appendFile',
  'sync',
  'truncate',
  'chmod',
  'chown',
  'utimes',
] as const;

/**
 * Runs `work` on a disk that takes `steps` more steps and then nothing at all, as at a power cut or a
 * kill -9 just before the next one: whatever `work` still tries fails, its cleaning up too. True when
 * the cut came before the work was done.
 */
export async function cutAfter(steps: number, work: () => Promise<unknown>): Promise<boolean> {
  const real = (await import('node:fs/promises')).default as unknown as Record<string, Call>;
  const handle = await fs.open(import.meta.filename, 'r');
  const prototype = Object.getPrototypeOf(handle) as Record<string, Call>;
  await handle.close();
  let left = steps;
  const power = { isOff: false };
  const undo: (() => void)[] = [];
  const patch = (
    owner: Record<string, Call>,
    name: string,
    counts: (args: unknown[]) => boolean,
  ): void => {
    const old = owner[name];
    if (old === undefined) throw new Error(`no ${name}`);
    owner[name] = function (this: unknown, ...args: unknown[]) {
      if (!power.isOff && counts(args)) {
        if (left === 0) power.isOff = true;
        left -= 1;
      }
      const writes = name !== 'open' || isWriting(args);
      return power.isOff && writes ? Promise.reject(new Error('power cut')) : old.apply(this, args);
    };
    undo.push(() => {
      owner[name] = old;
    });
  };
  for (const name of STEPS) patch(real, name, () => true);
  for (const name of ALSO) patch(real, name, () => false);
  for (const name of HANDLE) patch(prototype, name, () => false);
  patch(real, 'open', isWriting);
  syncBuiltinESMExports();
  try {
    await work();
  } catch (error) {
    if (!power.isOff) throw error;
  } finally {
    for (const restore of undo) restore();
    syncBuiltinESMExports();
  }
  return power.isOff;
}

function isWriting(args: unknown[]): boolean {
  return args[1] !== undefined && args[1] !== 'r' && args[1] !== 0;
}
