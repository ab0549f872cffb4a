import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { agentMarkdown, type AgentFigures, type Start } from './agent-report.ts';
import { importClosure } from './import-closure.ts';
import { measureUpdates } from './updates.ts';
import { watchNode } from './watch-process.ts';

const DIST = fileURLToPath(new URL('../..', import.meta.url));
const AGENT = 'delta/agent/main.js';
const MEGABYTES = 50;
const STARTS = 7;
/** Keeps a bare Node there long enough to be looked at. */
const BARE = 'setTimeout(() => undefined, 150)';

/**
 * `npm run bench -- agent [--megabytes N]`: what the agent takes of a small board: of its disk, at its
 * start, and of memory and flash while it updates an image with a layer of so many megabytes.
 */
export async function benchAgent(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { megabytes: { type: 'string', default: String(MEGABYTES) } },
  });
  const megabytes = Number(values.megabytes);
  if (!Number.isInteger(megabytes) || megabytes < 1 || megabytes > 60) {
    throw new Error('--megabytes is a whole number from 1 to 60');
  }
  const { path: dir, remove } = await makeScratch('agent-bench');
  try {
    const figures = await measure(dir, megabytes);
    await writeReport('agent', agentMarkdown(figures), { ...figures }, { args });
  } finally {
    await remove();
  }
}

async function measure(dir: string, megabytes: number): Promise<AgentFigures> {
  const closure = await importClosure(DIST, AGENT);
  const status = [join(DIST, AGENT), 'status', '--data', join(dir, 'none')];
  const starts: Start[] = [
    await start('bare Node', ['-e', '0']),
    await start('rivulet-device status', status),
  ];
  const bare = await watchNode(['-e', BARE]);
  const shape = {
    libraryBytes: 400_000,
    programBytes: megabytes * 1_000_000,
    addedBytes: 150_000,
    changedBytes: 2_000_000,
  };
  const updates = await measureUpdates(dir, DIST, shape);
  return { megabytes, closure, starts, bareRssBytes: bare.peakRssBytes, updates };
}

async function start(what: string, args: readonly string[]): Promise<Start> {
  const runs = [];
  for (let n = 0; n < STARTS; n += 1) runs.push(await watchNode(args));
  const failed = runs.find(({ code }) => code !== 0);
  if (failed !== undefined) throw new Error(`${what} failed: ${failed.stderr}`);
  return {
    what,
    ms: median(runs.map(({ ms }) => ms)),
    cpuMs: median(runs.map(({ cpuMs }) => cpuMs)),
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
