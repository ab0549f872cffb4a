import { cpus } from 'node:os';

import { needTool, runTool } from '../tools.ts';

/** Moves this process, and with it all that it starts from then on, between sets of cores. */
export interface Pin {
  /** For the report. */
  readonly words: string;
  servers(): Promise<void>;
  generator(): Promise<void>;
}

export const UNPINNED: Pin = {
  words: 'not pinned to cores',
  servers: () => Promise.resolve(),
  generator: () => Promise.resolve(),
};

/** The first half of the cores for the servers, the second for the generator of the load. */
export async function pinToHalves(): Promise<Pin> {
  const taskset = await needTool('taskset', ['--version'], 'apt-get install util-linux');
  const cores = cpus().length;
  if (cores < 2) throw new Error('--pin needs two cores or more');
  const half = Math.floor(cores / 2);
  const [servers, generator] = [`0-${half - 1}`, `${half}-${cores - 1}`];
  const move = (set: string): Promise<void> =>
    runTool(taskset.path, ['--all-tasks', '--cpu-list', '--pid', set, String(process.pid)]);
  return {
    words: `servers pinned to cores ${servers}, the generator to ${generator}`,
    servers: () => move(servers),
    generator: () => move(generator),
  };
}
