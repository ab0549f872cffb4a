import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of buffers that may be dropped before they are collected. */
const COLLECT_BYTES = 2 * 1024 * 1024;

type Collect = (options: { readonly type: 'minor' }) => void;

let thread: (() => void) | undefined;

/**
 * Buffers that pass through and are dropped. V8 counts what lies outside of its heap only once it comes
 * to 32 MB (Heap::AllocateExternalBackingStore), and what it has kept that long waits for a full
 * collection; here young objects are collected as soon as 2 MiB of buffers are done with, in less than a
 * millisecond.
 */
export class PassingBuffers {
  readonly #collect: () => void;
  #bytes = 0;

  /** `collect` collects young objects. */
  constructor(collect: () => void = (thread ??= youngCollector())) {
    this.#collect = collect;
  }

  /** Call when so many bytes were done with. */
  passed(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < COLLECT_BYTES) return;
    this.#bytes = 0;
    this.#collect();
  }

  /** The same for a stream: a part is done with when the next is asked for, and so is what it was made from. */
  async *through<T extends Uint8Array>(source: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const bytes of source) {
      const { length } = bytes;
      yield bytes;
      this.passed(2 * length);
    }
  }
}

/**
 * V8's own function for it, which Node does not show without a flag. The flag is the process's, and stays: another
 * thread may be about to ask for the same.
 */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  return () => {
    collect({ type: 'minor' });
  };
}
