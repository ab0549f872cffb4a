import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Coder } from '../../bench/engine/coder.ts';
import { addUse, measure } from '../../bench/engine/measure.ts';
import { runCoder } from '../../bench/engine/run-coder.ts';

const BUSY = 'const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end);';
const LARGE = 'const held = Buffer.alloc(200e6, 1); setTimeout(() => held.length, 100);';

describe('measuring a program', () => {
  it('counts its processor time and its wall time', async () => {
    const busy = await measure(process.execPath, ['-e', BUSY]);
    expect(busy.cpuSeconds).toBeGreaterThanOrEqual(0.28);
    const idle = await measure('sleep', ['0.3']);
    expect(idle.cpuSeconds).toBeLessThan(0.2);
    expect(idle.wallSeconds).toBeGreaterThanOrEqual(0.3);
  });

  it('does not count its own', async () => {
    const waiting = measure('sleep', ['0.1']);
    const end = process.cpuUsage().user + 5e5;
    while (process.cpuUsage().user < end);
    expect((await waiting).cpuSeconds).toBeLessThan(0.3);
  });

  it('sees the peak of its memory, and of a program that it starts', async () => {
    const small = await measure(process.execPath, ['-e', '']);
    const large = await measure(process.execPath, ['-e', LARGE]);
    expect(large.peakBytes - small.peakBytes).toBeGreaterThan(180e6);
    expect(large.peakBytes - small.peakBytes).toBeLessThan(260e6);
    const below = await measure('sh', ['-c', `'${process.execPath}' -e '${LARGE}'; true`]);
    expect(below.peakBytes).toBeGreaterThan(200e6);
  });

  it('fails with the words of a program that fails, and when there is no such program', async () => {
    await expect(measure('sh', ['-c', 'echo broken >&2; exit 3'])).rejects.toThrow(
      'sh ended with 3: broken',
    );
    await expect(measure('rivulet-no-such-program', [])).rejects.toThrow(/ENOENT/);
  });

  it('adds the times of two runs and keeps the larger peak', () => {
    const one = { cpuSeconds: 1, wallSeconds: 2, peakBytes: 30 };
    const two = { cpuSeconds: 3, wallSeconds: 4, peakBytes: 20 };
    expect(addUse(one, two)).toEqual({ cpuSeconds: 4, wallSeconds: 6, peakBytes: 30 });
  });
});

describe('running a coder', () => {
  let dir: string;
  let task: { oldFile: string; newFile: string; sha256: string };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-coder-'));
    task = {
      oldFile: join(dir, 'old'),
      newFile: join(dir, 'new'),
      sha256: createHash('sha256').update('new words').digest('hex'),
    };
    await writeFile(task.oldFile, 'old');
    await writeFile(task.newFile, 'new words');
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const copier: Coder = {
    ...{ name: 'cp', title: 'cp', tool: { name: 'cp', version: '1' } },
    encode: ({ newFile, delta, run }) => run('cp', [newFile, delta]),
    decode: ({ delta, made, run }) => run('cp', [delta, made]),
  };

  it('gives the bytes of the delta and the uses of both ways', async () => {
    const outcome = await runCoder(copier, task, 2);
    expect(outcome).toMatchObject({ state: 'done', deltaBytes: 9 });
    if (outcome.state === 'done') expect(outcome.encode.wallSeconds).toBeGreaterThan(0);
  });

  it('counts all files of a delta that is a folder', async () => {
    const folder: Coder = {
      ...copier,
      async encode({ newFile, delta }) {
        await mkdir(join(delta, 'chunks'), { recursive: true });
        await copyFile(newFile, join(delta, 'chunks', 'a'));
        await writeFile(join(delta, 'index'), '12345');
      },
      decode: ({ delta, made }) => copyFile(join(delta, 'chunks', 'a'), made),
    };
    expect(await runCoder(folder, task, 1)).toMatchObject({ deltaBytes: 14 });
  });

  it('fails when the new file does not come out again', async () => {
    const liar: Coder = { ...copier, decode: ({ oldFile, made }) => copyFile(oldFile, made) };
    expect(await runCoder(liar, task, 1)).toEqual({
      state: 'failed',
      reason: 'the new file came out different',
    });
  });
});
