import type { Worker } from 'node:worker_threads';

import { describe, expect, it } from 'vitest';

import { Engine, ENGINE_LIMITS, sharedLimits } from '../../delta/engine/engine.ts';
import { REASON } from '../../delta/format/notes.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { nextVersion } from './engine-pairs.ts';
import { noise } from './support.ts';

interface Pair {
  readonly old: BufferAccess;
  readonly sources: readonly number[];
  readonly fresh: BufferAccess;
}

function pairOf([old, fresh]: readonly [Buffer, Buffer]): Pair {
  return { old: new BufferAccess(old), sources: [old.length], fresh: new BufferAccess(fresh) };
}

async function withEngine<T>(
  work: (engine: Engine) => Promise<T>,
  limits = ENGINE_LIMITS,
): Promise<T> {
  const engine = await Engine.open('small', limits);
  if (engine === undefined) throw new Error('the kernel is not built: npm run build');
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

/** Minutes of work: literals of noise. */
const ENDLESS = pairOf([noise(1000, 1), noise(900_000, 2)]);

describe('the engine on its threads', () => {
  it('codes the same bytes however many pairs are on their way', async () => {
    await withEngine(async (engine) => {
      const pairs = Array.from({ length: 8 }, (_, n) => pairOf(nextVersion(8000 + 3000 * n, n)));
      const together = await Promise.all(pairs.map((pair) => engine.encode(pair, {})));
      for (const [n, pair] of pairs.entries()) {
        expect(together[n]?.kind).toBe('encoded');
        expect(await engine.encode(pair, {})).toEqual(together[n]);
      }
    });
  });

  it('declines what takes too long, and goes on with another thread', async () => {
    const limits = { ...ENGINE_LIMITS, budgetMs: 1500, budgetMsPerMib: 0 };
    await withEngine(async (engine) => {
      const declined = await engine.encode(ENDLESS, {});
      expect(declined).toEqual({ kind: 'declined', reason: REASON.engineBudget });
      const small = await engine.encode(pairOf(nextVersion(3000, 1)), {});
      expect(small.kind).toBe('encoded');
    }, limits);
  });

  it('ends with its signal, also for pairs that wait', async () => {
    await withEngine(async (engine) => {
      const stop = new AbortController();
      const all = Array.from({ length: 9 }, () => engine.encode(ENDLESS, { signal: stop.signal }));
      setTimeout(() => {
        stop.abort();
      }, 300);
      for (const result of await Promise.allSettled(all)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'aborted' } });
      }
    });
  });

  it('passes on what reading throws', async () => {
    await withEngine(async (engine) => {
      const pair = pairOf(nextVersion(3000, 1));
      const broken = new BufferAccess(Buffer.alloc(5000));
      broken.readSync = () => {
        throw new Error('the disk is gone');
      };
      await expect(engine.encode({ ...pair, old: broken }, {})).rejects.toThrow('the disk is gone');
      expect((await engine.encode(pair, {})).kind).toBe('encoded');
    });
  });

  it('uses a thread again, unless its pair was large: then its memory is free at once', async () => {
    const started: Worker[] = [];
    const onWorker = (worker: Worker): void => {
      started.push(worker);
    };
    process.on('worker', onWorker);
    try {
      await withEngine(async (engine) => {
        const small = pairOf(nextVersion(3000, 1));
        await engine.encode(small, {});
        await engine.encode(small, {});
        expect(started).toHaveLength(1);
        const bytes = noise(17 * 1024 * 1024, 3);
        expect((await engine.encode(pairOf([bytes, bytes]), {})).kind).toBe('encoded');
        expect(started[0]?.threadId).toBe(-1);
        await engine.encode(small, {});
        expect(started).toHaveLength(2);
      });
    } finally {
      process.off('worker', onWorker);
    }
  });
});

describe('engines that share a machine', () => {
  it.each([1, 2, 3, 64])('take no more together than one alone: %i of them', (owners) => {
    const { threads, memoryBytes, ...others } = sharedLimits(owners);
    expect(threads).toBeGreaterThan(0);
    expect(threads * owners).toBeLessThanOrEqual(Math.max(ENGINE_LIMITS.threads, owners));
    expect(memoryBytes * owners).toBe(ENGINE_LIMITS.memoryBytes);
    expect(ENGINE_LIMITS).toMatchObject(others);
  });
});
