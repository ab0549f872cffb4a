import fs from 'node:fs';

import type { DiskModel } from './disk-model.ts';
import type { Gate } from './gate.ts';

/** Ways to change a disk that the model does not follow, in their three forms. */
const NEVER = ['appendFile', 'copyFile', 'cp', 'truncate', 'writeFile'] as const;
/**
 * Followed as promises only. The other forms of `unlink` and `rmdir` can't be watched: `rm` itself is
 * made of them.
 */
const PROMISED = ['link', 'mkdir', 'rename', 'symlink'] as const;

/** Makes calls that the model does not follow fail: it must not miss a change. */
export function refuseUnknown(model: DiskModel, gate: Gate): void {
  const refuse = (holder: object, name: string): void => {
    const original: unknown = Reflect.get(holder, name);
    if (typeof original !== 'function') throw new Error(`node:fs has no ${name} to watch`);
    Reflect.set(holder, name, (...args: unknown[]): unknown => {
      const inside = args
        .slice(0, 2)
        .some((path) => typeof path === 'string' && model.covers(path));
      if (inside && !gate.cutting) throw new Error(`the disk model does not know ${name}`);
      return (original as (...all: unknown[]) => unknown).apply(holder, args);
    });
  };
  for (const name of [...NEVER, 'rmdir']) refuse(fs.promises, name);
  for (const name of [...NEVER, ...PROMISED]) {
    refuse(fs, name);
    refuse(fs, `${name}Sync`);
  }
  refuse(fs, 'createWriteStream');
}
