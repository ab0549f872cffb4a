import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { spawnTypescript } from '../support/typescript-child.ts';
import type { RegistryChildOptions } from './registry-child.ts';

/** A registry in a process of its own (`registry-child.ts`). */
export interface RegistryProcess {
  readonly url: string;
  /** Resolves with what ended it. */
  readonly exited: Promise<NodeJS.Signals | number | null>;
  kill(): Promise<void>;
}

export async function startRegistryProcess(
  options: RegistryChildOptions,
): Promise<RegistryProcess> {
  const child = spawnTypescript(join(import.meta.dirname, 'registry-child.ts'), [
    JSON.stringify(options),
  ]);
  const exited = (once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>).then(
    ([code, signal]) => signal ?? code,
  );
  const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const first = await Promise.race([line, exited]);
  if (!Array.isArray(first)) throw new Error(`the registry ended with ${String(first)}`);
  const { url } = JSON.parse(first[0]) as { url: string };
  return {
    url,
    exited,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
