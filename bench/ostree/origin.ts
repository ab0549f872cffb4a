import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runRivulet, startServer, type RunningServer } from '../demo/programs.ts';
import { logTail } from '../serve/peers/child-server.ts';
import { REF, type Commits } from './corpus/open-trees.ts';

/** The repository of ours that holds the commits. */
export const REPOSITORY = 'bench/os';

/** An origin of ours over the store in `data`, a process of its own that serves and builds nothing. */
export async function startOrigin(
  data: string,
  dir: string,
): Promise<Pick<RunningServer, 'url' | 'stop'>> {
  const config = join(dir, 'rivulet.json');
  const settings = { data, listen: '127.0.0.1:0', logLevel: 'error', matrix: { builders: 0 } };
  await writeFile(config, JSON.stringify(settings));
  const log = join(dir, 'origin.log');
  try {
    return await startServer(['serve', '--config', config], log);
  } catch (error) {
    throw new Error(await logTail(log), { cause: error });
  }
}

/** Pushes both commits into the store in `data`; the origin has stopped when this resolves. */
export async function fillOrigin(
  data: string,
  dir: string,
  { repo, from, to }: Commits,
): Promise<void> {
  const server = await startOrigin(data, dir);
  try {
    for (const commit of [from, to]) {
      process.stderr.write(`pushing ${commit.slice(0, 12)}\n`);
      await runRivulet([
        ...['push', `ostree:${repo}:${commit}`, REPOSITORY, '--branch', REF],
        ...['--server', server.url],
      ]);
    }
  } finally {
    await server.stop();
  }
}
