import { describe, expect, it } from 'vitest';

import { HedgePolicy, hedged } from '../../../storage/drivers/s3-hedge.ts';

/** One that has seen a hundred quick reads. */
function seasoned(): HedgePolicy {
  const policy = new HedgePolicy();
  for (let n = 0; n < 100; n += 1) {
    policy.delayMs();
    policy.answered(1);
  }
  return policy;
}

/** Never answers; fails when its signal fires. */
function hang(signal: AbortSignal): Promise<string> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('told to stop'));
    });
  });
}

const nothing = (): void => undefined;

describe('hedged reads', () => {
  it('take the second answer when the first hangs, and end the first', async () => {
    const signals: AbortSignal[] = [];
    const ask = (signal: AbortSignal): Promise<string> => {
      signals.push(signal);
      return signals.length === 1 ? hang(signal) : Promise.resolve('second');
    };
    expect(await hedged(seasoned(), ask, nothing)).toBe('second');
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it('are asked for once when they answer, and before anything is known', async () => {
    for (const policy of [seasoned(), new HedgePolicy()]) {
      let asked = 0;
      const ask = (): Promise<number> => Promise.resolve((asked += 1));
      for (let n = 0; n < 10; n += 1) await hedged(policy, ask, nothing);
      expect(asked).toBe(10);
    }
  });

  it('fail with the first reason only when both failed', async () => {
    let asked = 0;
    const fail = async (signal: AbortSignal): Promise<string> => {
      asked += 1;
      if (asked === 2) throw new Error('second');
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(signal.aborted).toBe(false);
      throw new Error('first');
    };
    await expect(hedged(seasoned(), fail, nothing)).rejects.toThrow('first');
    expect(asked).toBe(2);
  });

  it('give up an answer that comes too late', async () => {
    const answers: ((answer: string) => void)[] = [];
    const ask = (): Promise<string> =>
      new Promise((resolve) => {
        answers.push(resolve);
        if (answers.length < 2) return;
        for (const [n, answer] of answers.entries()) answer(`answer ${n}`);
      });
    const discarded: string[] = [];
    const answer = await hedged(seasoned(), ask, (late: string) => discarded.push(late));
    expect([answer, ...discarded].toSorted()).toEqual(['answer 0', 'answer 1']);
  });

  it('make at most one request more for twenty, whatever happens', () => {
    const policy = seasoned();
    let extra = 0;
    for (let n = 0; n < 10_000; n += 1) {
      if (policy.delayMs() !== undefined && policy.take()) extra += 1;
    }
    expect(extra).toBeGreaterThan(400);
    expect(extra).toBeLessThanOrEqual(10_000 * 0.05 + 5);
  });
});
