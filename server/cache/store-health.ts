import { isStorageError, type StorageError } from '../../storage/errors.ts';
import type { Logger } from '../observe/logger.ts';
import { pauseAfter, type RetryPolicy } from './retry.ts';
import { StoreAwayError } from './store-away.ts';

export type StorePauses = Pick<RetryPolicy, 'pauseMs' | 'maxPauseMs'>;

/** A bucket that is away is asked after so long whether it is back; longer each time. */
const PAUSES: StorePauses = { pauseMs: 1000, maxPauseMs: 30_000 };
/** A bucket that takes longer counts as no answer. */
export const PROBE_MS = 3000;

export interface StoreHealthOptions {
  /** What is done with the bucket: they may fail one without the other, as by the rights of its keys. */
  readonly verb: 'read' | 'write';
  /** Rejects unless the bucket answers. */
  readonly check: (signal: AbortSignal) => Promise<void>;
  /** Told at every change. */
  readonly onChange: (isHere: boolean) => void;
  readonly logger: Logger;
  readonly pauses?: StorePauses | undefined;
}

/**
 * Whether a cache's bucket can be used: once it could not, nothing is asked of it, so that nobody waits
 * for it, until it answers again. What then fails at once lengthens the next pause.
 */
export class StoreHealth {
  readonly #options: StoreHealthOptions;
  readonly #closing = new AbortController();
  /** Set while the bucket is away. */
  #fault: StorageError | undefined;
  /** Since the last success. */
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #probing: Promise<void> | undefined;

  constructor(options: StoreHealthOptions) {
    this.#options = options;
    options.onChange(true);
  }

  /** Throws {@link StoreAwayError} while the bucket is away. */
  assertHere(): void {
    if (this.#fault !== undefined) throw this.#away(this.#fault);
  }

  /** Runs work on the bucket; what is `unavailable` is {@link StoreAwayError}. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.assertHere();
    try {
      const result = await work();
      this.#failures = 0;
      return result;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.#failed(error);
      throw this.#away(error);
    }
  }

  /** Asks the bucket no more. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the cache stops'));
    clearTimeout(this.#timer);
    await this.#probing;
  }

  #away(fault: StorageError): StoreAwayError {
    return new StoreAwayError(`the bucket can't be used to ${this.#options.verb}`, fault);
  }

  #failed(fault: StorageError): void {
    if (this.#fault !== undefined) return;
    const { logger, verb, onChange } = this.#options;
    this.#fault = fault;
    logger.warn({ verb, err: fault }, 'the bucket is away: blobs pass through without being kept');
    onChange(false);
    this.#probeLater();
  }

  #probeLater(): void {
    this.#failures += 1;
    const pauseMs = pauseAfter(this.#failures, this.#options.pauses ?? PAUSES);
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#probing = this.#probe();
    }, pauseMs).unref();
  }

  async #probe(): Promise<void> {
    const { check, logger, verb, onChange } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(PROBE_MS)]);
    try {
      await check(signal);
    } catch (error) {
      logger.debug({ verb, err: error }, 'the bucket is still away');
      this.#probeLater();
      return;
    }
    this.#fault = undefined;
    logger.info({ verb }, 'the bucket answers again: blobs are kept');
    onChange(true);
  }
}

function isUnavailable(error: unknown): error is StorageError {
  return isStorageError(error, 'unavailable');
}
