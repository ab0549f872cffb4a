import { abortedError, checkAborted } from '../../storage/durable.ts';

interface Waiter<K> {
  readonly key: K;
  settle(error: unknown): void;
}

/** Promises that somebody else will settle, by what they wait for. */
export class Waiters<K> {
  readonly #waiters = new Set<Waiter<K>>();

  /** Resolves or rejects as told below; `aborted` when the signal fires first. */
  wait(key: K, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      checkAborted(signal, 'waiting');
      const abort = (): void => {
        if (signal !== undefined) waiter.settle(abortedError(signal, 'waiting'));
      };
      const waiter: Waiter<K> = {
        key,
        settle: (error) => {
          this.#waiters.delete(waiter);
          signal?.removeEventListener('abort', abort);
          if (error === undefined) resolve();
          else
            reject(error instanceof Error ? error : new Error('waiting failed', { cause: error }));
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** What is waited for, in the order it came. */
  keys(): readonly K[] {
    return [...this.#waiters].map(({ key }) => key);
  }

  resolve(which: (key: K) => boolean): void {
    for (const waiter of [...this.#waiters]) if (which(waiter.key)) waiter.settle(undefined);
  }

  reject(which: (key: K) => boolean, error: unknown): void {
    for (const waiter of [...this.#waiters]) if (which(waiter.key)) waiter.settle(error);
  }
}
