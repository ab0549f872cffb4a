import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh folder that does not outlive its process. */
export interface Scratch {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** What was killed a moment ago may still be about to write. */
const REMOVAL = { recursive: true, force: true, maxRetries: 5, retryDelay: 50 } as const;

/** Makes one, `rivulet-NAME-...` in `parent`; it goes with `remove`, or at the exit. */
export async function makeScratch(name: string, parent: string = tmpdir()): Promise<Scratch> {
  const path = await mkdtemp(join(parent, `rivulet-${name}-`));
  const atExit = (): void => {
    rmSync(path, REMOVAL);
  };
  process.once('exit', atExit);
  return {
    path,
    remove: async () => {
      process.off('exit', atExit);
      await rm(path, REMOVAL);
    },
  };
}
