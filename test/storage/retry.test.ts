import { describe, expect, it } from 'vitest';

import { withRetry } from '../../storage/decorators/retry.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { StorageError } from '../../storage/errors.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { retry } from '../../storage/retry.ts';
import { blob, read } from '../suites/object-store.ts';

const OPTIONS = { attempts: 3, baseDelayMs: 1 };

/** A memory store of which each method fails `failures` times first. */
function flaky(
  failures: number,
  error: StorageError,
): { readonly store: ObjectStore; calls: () => number } {
  const inner = createMemoryStore();
  let calls = 0;
  const fail = async <T>(work: () => Promise<T>): Promise<T> => {
    calls += 1;
    if (calls <= failures) throw error;
    return work();
  };
  const store: ObjectStore = {
    name: inner.name,
    put: (...args) => fail(() => inner.put(...args)),
    open: (...args) => fail(() => inner.open(...args)),
    stat: (...args) => fail(() => inner.stat(...args)),
    list: (...args) => inner.list(...args),
    delete: (...args) => fail(() => inner.delete(...args)),
    move: (...args) => fail(() => inner.move(...args)),
  };
  return { store, calls: () => calls };
}

describe('retry', () => {
  const busy = new StorageError('unavailable', 'busy');

  it('tries again what may help', async () => {
    const { key } = blob(10);
    const calls = ['stat', 'open', 'delete'] as const;
    for (const name of calls) {
      const { store, calls: made } = flaky(2, busy);
      const wrapped = withRetry(store, OPTIONS);
      const error: unknown = await wrapped[name](key).catch((reason: unknown) => reason);
      expect(error).not.toBe(busy);
      expect(made()).toBe(3);
    }
  });

  it('gives up after the attempts', async () => {
    const { store, calls } = flaky(5, busy);
    await expect(withRetry(store, OPTIONS).stat(blob(1).key)).rejects.toBe(busy);
    expect(calls()).toBe(3);
  });

  it('does not repeat what no repetition helps', async () => {
    const full = new StorageError('no_space', 'full');
    const { store, calls } = flaky(1, full);
    await expect(withRetry(store, OPTIONS).stat(blob(1).key)).rejects.toBe(full);
    expect(calls()).toBe(1);
  });

  it('never repeats a put: its source can be read once', async () => {
    const { bytes, key } = blob(10);
    const { store, calls } = flaky(1, busy);
    await expect(withRetry(store, OPTIONS).put(key, [bytes])).rejects.toBe(busy);
    expect(calls()).toBe(1);
    await withRetry(store, OPTIONS).put(key, [bytes]);
    expect(await read(withRetry(store, OPTIONS), key)).toEqual(bytes);
  });

  it('ends its pause when the signal fires', async () => {
    const abort = new AbortController();
    const work = (): Promise<never> => {
      setTimeout(() => {
        abort.abort();
      }, 5);
      return Promise.reject(busy);
    };
    const options = { attempts: 2, baseDelayMs: 3_600_000, signal: abort.signal };
    await expect(retry(work, options)).rejects.toMatchObject({ code: 'aborted' });
  });
});
