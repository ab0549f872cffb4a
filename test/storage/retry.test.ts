import { describe, expect, it } from 'vitest';

import { StorageError } from '../../storage/errors.ts';
import { RetryBudget } from '../../storage/retry-budget.ts';
import { pauseBefore, retry } from '../../storage/retry.ts';

const OPTIONS = { attempts: 3, baseDelayMs: 1 };
const BUSY = new StorageError('unavailable', 'busy');

/** Work that fails `failures` times first. */
function flaky(
  failures: number,
  error: StorageError = BUSY,
): { readonly work: () => Promise<string>; calls: () => number } {
  let calls = 0;
  return {
    work: () => {
      calls += 1;
      return calls <= failures ? Promise.reject(error) : Promise.resolve('done');
    },
    calls: () => calls,
  };
}

describe('retry', () => {
  it('tries again what may help', async () => {
    const { work, calls } = flaky(2);
    expect(await retry(work, OPTIONS)).toBe('done');
    expect(calls()).toBe(3);
  });

  it('gives up after the attempts', async () => {
    const { work, calls } = flaky(5);
    await expect(retry(work, OPTIONS)).rejects.toBe(BUSY);
    expect(calls()).toBe(3);
  });

  it('does not repeat what no repetition helps', async () => {
    const full = new StorageError('no_space', 'full');
    const { work, calls } = flaky(1, full);
    await expect(retry(work, OPTIONS)).rejects.toBe(full);
    expect(calls()).toBe(1);
  });

  it('ends its pause when the signal fires', async () => {
    const abort = new AbortController();
    const work = (): Promise<never> => {
      setTimeout(() => {
        abort.abort();
      }, 5);
      return Promise.reject(BUSY);
    };
    const hour = 3_600_000;
    const options = { attempts: 2, baseDelayMs: hour, maxDelayMs: hour, signal: abort.signal };
    await expect(retry(work, options)).rejects.toMatchObject({ code: 'aborted' });
  });

  it('waits as long as the store asks, and does not wait for longer than it may', () => {
    const asking = (retryAfterMs: number): StorageError =>
      new StorageError('unavailable', 'later', { detail: { retryAfterMs } });
    expect(pauseBefore(asking(3000), 1, {})).toBe(3000);
    expect(pauseBefore(asking(6000), 1, {})).toBeUndefined();
    const third = pauseBefore(BUSY, 3, { baseDelayMs: 100 }) ?? 0;
    expect(third).toBeGreaterThanOrEqual(400);
    expect(third).toBeLessThanOrEqual(600);
    expect(pauseBefore(BUSY, 30, { baseDelayMs: 100 })).toBeLessThanOrEqual(7500);
  });

  it('begins no try past its time', async () => {
    const { work, calls } = flaky(5);
    await expect(retry(work, { attempts: 9, baseDelayMs: 50, maxElapsedMs: 1 })).rejects.toBe(BUSY);
    expect(calls()).toBe(1);
  });
});

describe('a retry budget', () => {
  it('ends the retries of all callers together, and fills with success and time', async () => {
    let ms = 0;
    const budget = new RetryBudget({ capacity: 5, perSuccess: 0.5, perSecond: 1, now: () => ms });
    const options = { ...OPTIONS, budget };
    const many = Array.from({ length: 10 }, () => flaky(9));
    await Promise.allSettled(many.map(({ work }) => retry(work, options)));
    expect(many.reduce((sum, { calls }) => sum + calls(), 0)).toBe(10 + 5);

    await retry(flaky(0).work, options);
    await expect(retry(flaky(1).work, options)).rejects.toBe(BUSY);
    await retry(flaky(0).work, options);
    expect(await retry(flaky(1).work, options)).toBe('done');
    ms += 1000;
    expect(await retry(flaky(1).work, options)).toBe('done');
    await expect(retry(flaky(1).work, options)).rejects.toBe(BUSY);
    ms += 3_600_000;
    await Promise.allSettled([retry(flaky(9).work, { ...options, attempts: 50 })]);
    expect(budget.take()).toBe(false);
  });
});
