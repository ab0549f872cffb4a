import type { Readable } from 'node:stream';

import type { ObjectKey } from '../keys.ts';
import type {
  ByteRange,
  ByteSource,
  IoOptions,
  ObjectEntry,
  ObjectStat,
  ObjectStore,
  PutOptions,
} from '../object-store.ts';
import { retry, type RetryOptions } from '../retry.ts';

/**
 * A store that tries reads, stats and deletes again when they fail with a retryable error. A stream
 * that breaks later, a list and a put (its source can be read only once) are passed through: a stream
 * is resumed by its reader, who alone knows where.
 */
export function withRetry(store: ObjectStore, options: RetryOptions = {}): ObjectStore {
  return new RetryStore(store, options);
}

class RetryStore implements ObjectStore {
  readonly name: string;
  readonly #inner: ObjectStore;
  readonly #options: RetryOptions;

  constructor(inner: ObjectStore, options: RetryOptions) {
    this.name = inner.name;
    this.#inner = inner;
    this.#options = options;
  }

  put(
    key: ObjectKey,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<{ readonly size: number; readonly created: boolean }> {
    return this.#inner.put(key, source, options);
  }

  open(
    key: ObjectKey,
    options: IoOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Readable> {
    return this.#again(() => this.#inner.open(key, options), options);
  }

  stat(key: ObjectKey, options: IoOptions = {}): Promise<ObjectStat | undefined> {
    return this.#again(() => this.#inner.stat(key, options), options);
  }

  /** Not tried again: who asks wants to know how it is now. */
  async check(options?: IoOptions): Promise<void> {
    await this.#inner.check?.(options);
  }

  list(prefix: string, options?: IoOptions): AsyncIterable<ObjectEntry> {
    return this.#inner.list(prefix, options);
  }

  delete(key: ObjectKey, options: IoOptions = {}): Promise<void> {
    return this.#again(() => this.#inner.delete(key, options), options);
  }

  move(from: ObjectKey, to: ObjectKey, options?: IoOptions): Promise<void> {
    return this.#inner.move(from, to, options);
  }

  #again<T>(work: () => Promise<T>, { signal }: IoOptions): Promise<T> {
    return retry(work, { ...this.#options, signal });
  }
}
