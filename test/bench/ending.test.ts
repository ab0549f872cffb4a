import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BENCH = resolve(import.meta.dirname, '../../dist/bench/main.js');

let dir: string;
let bench: ChildProcess;
let ended: Promise<unknown[]>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-ending-'));
});

afterEach(async () => {
  bench.kill('SIGTERM');
  await ended;
  await rm(dir, { recursive: true, force: true });
});

/** Starts a bench with its scratch and its reports below `dir`. */
function start(...args: readonly string[]): void {
  bench = spawn(process.execPath, [BENCH, ...args], {
    cwd: dir,
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: dir },
  });
  ended = once(bench, 'exit');
}

/** Processes with the folder in their command line, by what they are; zombies have none. */
async function processes(): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(dir)) found.set(Number(name), line);
  }
  return found;
}

/** Waits for a process of the bench with that word in its command line. */
async function running(word: string): Promise<number> {
  for (;;) {
    for (const [pid, line] of await processes()) if (line.includes(`\0${word}\0`)) return pid;
    if (bench.exitCode !== null) throw new Error(`the bench ended with ${bench.exitCode}`);
    await sleep(20);
  }
}

/** The kernel takes a moment to end what was killed. */
async function untilNoneRuns(): Promise<void> {
  while ((await processes()).size > 0) await sleep(20);
}

async function expectNothingLeft(): Promise<void> {
  await untilNoneRuns();
  const left = await readdir(dir);
  expect(left.filter((name) => name.startsWith('rivulet-'))).toEqual([]);
}

describe('a bench takes along what it started', () => {
  it('when it is told to end', async () => {
    start('kills', '--quick');
    await running('serve');
    bench.kill('SIGTERM');
    expect(await ended).toEqual([143, null]);
    await expectNothingLeft();
  });

  it('when it is interrupted, detached servers too', async () => {
    start('soak', '--requests', '1000000');
    await running('serve');
    bench.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    await expectNothingLeft();
  });

  it('when it fails', async () => {
    start('interrupt', '--quick');
    // Before it listens: the origin runs by then, and nobody has it in hand yet.
    process.kill(await running('cache'), 'SIGKILL');
    expect(await ended).toEqual([1, null]);
    await expectNothingLeft();
  });
});
