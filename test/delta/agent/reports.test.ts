import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import type { EventType } from '../../../delta/agent/protocol.ts';
import { countReports, ReportQueue, reportHeader } from '../../../delta/agent/reports.ts';

const TARGET = digestOf(Buffer.from('target'));
const ENDINGS: readonly EventType[] = ['healthy', 'failed', 'rolled_back'];

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-reports-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

function header(id: string): ReturnType<typeof reportHeader> {
  const names = { product: 'demo/app', channel: 'latest', platform: 'linux/amd64' };
  return reportHeader({ id, ...names, target: { digest: TARGET } }, 'eu');
}

function fail(message: string): never {
  throw new Error(message);
}

describe('the report queue', () => {
  it('gives reports back in order, with ascending numbers that never repeat', async () => {
    const queue = await ReportQueue.open(folder, 100_000);
    await queue.add(header('one'), { type: 'downloading', atMs: 1, plan: 'delta' });
    await queue.add(header('one'), { type: 'failed', atMs: 2, code: 'corrupt', message: 'x' });
    const first = await queue.list(fail);
    expect(first.map(({ event }) => [event.seq, event.type])).toEqual([
      [1, 'downloading'],
      [2, 'failed'],
    ]);
    expect(first[0]?.decision).toMatchObject({ product: 'demo/app', region: 'eu', to: TARGET });
    await queue.remove(first);
    const reopened = await ReportQueue.open(folder, 100_000);
    await reopened.add(header('two'), { type: 'healthy', atMs: 3 });
    expect((await reopened.list(fail)).map(({ event }) => event.seq)).toEqual([3]);
  });

  it('stays within its limit and drops the oldest progress first, endings last', async () => {
    const types: readonly EventType[] = ['downloading', 'applied', 'booted', ...ENDINGS];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...types), { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 1000, max: 5000 }),
        async (added, limit) => {
          await rm(folder, { recursive: true });
          const queue = await ReportQueue.open(folder, limit);
          for (const type of added) await queue.add(header('d'), { type, atMs: 1 });
          const kept = (await queue.list(fail)).map(({ event }) => event);
          const sizes = await Promise.all(
            (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
          );
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(limit + 16);
          const isEnding = (type: EventType): boolean => ENDINGS.includes(type);
          const keptEndings = kept.filter(({ type }) => isEnding(type)).length;
          const lostEndings = added.filter(isEnding).length - keptEndings;
          // An ending goes only when no progress is left, save the report that was just added.
          if (lostEndings > 0 && isEnding(added.at(-1) ?? 'healthy')) {
            expect(kept.every(({ type }) => isEnding(type))).toBe(true);
          }
          const seqs = kept.map(({ seq }) => seq);
          expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
        },
      ),
      { numRuns: 15 },
    );
  });

  it('drops a damaged report with a warning and keeps the rest', async () => {
    const queue = await ReportQueue.open(folder, 100_000);
    await queue.add(header('one'), { type: 'healthy', atMs: 1 });
    await writeFile(join(folder, '0000000000000000-e.json'), '{"decisionId":');
    const warnings: string[] = [];
    const reports = await queue.list((message) => warnings.push(message));
    expect(reports.map(({ event }) => event.type)).toEqual(['healthy']);
    expect(warnings).toHaveLength(1);
    expect(await countReports(folder)).toBe(1);
  });
});
