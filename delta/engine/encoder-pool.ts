import type { IoOptions } from '../../storage/object-store.ts';
import { checkAborted } from '../errors.ts';
import { EncoderThread, MOSTLY_NEW, type PairInput, type RawPair } from './encoder-thread.ts';

interface Waiting {
  readonly bytes: number;
  start(): void;
}

/** An encoder holds old and new bytes and, while it matches, about as much again. */
const MEMORY_PER_BYTE = 2;

/** A thread that took more than this is ended, so that its memory is free at once. */
const KEPT_BYTES = 64 * 1024 * 1024;

export interface PoolLimits {
  readonly threads: number;
  /** Memory that all threads may take together, roughly. A single pair may take more, alone. */
  readonly memoryBytes: number;
}

/** Encodes pairs on several threads, the largest first. Close it. */
export class EncoderPool {
  readonly #module: WebAssembly.Module;
  readonly #threads: number;
  readonly #memoryBytes: number;
  readonly #idle: EncoderThread[] = [];
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #runningBytes = 0;

  constructor(module: WebAssembly.Module, limits: PoolLimits) {
    this.#module = module;
    this.#threads = limits.threads;
    this.#memoryBytes = limits.memoryBytes;
  }

  /** As {@link EncoderThread.encode}; a thread that ended is replaced. */
  async encode(input: PairInput, options: IoOptions): Promise<RawPair | typeof MOSTLY_NEW> {
    const bytes = (input.old.size + input.fresh.size) * MEMORY_PER_BYTE;
    await this.#turn(bytes);
    let thread: EncoderThread | undefined;
    try {
      checkAborted(options.signal, 'comparing files');
      thread = this.#idle.pop() ?? new EncoderThread(this.#module);
      return await thread.encode(input, options);
    } finally {
      if (thread?.isAlive === true && bytes <= KEPT_BYTES) this.#idle.push(thread);
      else await thread?.close();
      this.#running -= 1;
      this.#runningBytes -= bytes;
      this.#startNext();
    }
  }

  /** Ends the threads; no pair may be on its way. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((thread) => thread.close()));
  }

  async #turn(bytes: number): Promise<void> {
    await new Promise<void>((start) => {
      const place = this.#waiting.findIndex((other) => other.bytes < bytes);
      this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, { bytes, start });
      // Pairs that are asked for together are sorted before the first one starts.
      setImmediate(() => {
        this.#startNext();
      });
    });
  }

  #startNext(): void {
    while (this.#running < this.#threads) {
      const next = this.#waiting.find(
        ({ bytes }) => this.#running === 0 || this.#runningBytes + bytes <= this.#memoryBytes,
      );
      if (next === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.#running += 1;
      this.#runningBytes += next.bytes;
      next.start();
    }
  }
}
