import { Worker } from 'node:worker_threads';

import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import type { FromWorker, RawSection, StepStreams, ToWorker } from './encode-job.ts';
import { ENCODE_WORKER } from './kernel-file.ts';

export interface PairInput {
  readonly profile: number;
  /** The old ranges, one after another. */
  readonly old: RandomAccess;
  /** Bytes of each range. */
  readonly sources: readonly number[];
  readonly fresh: RandomAccess;
  /** Wall time, in ms; past it the thread is ended. */
  readonly budgetMs: number;
}

export interface RawPair {
  readonly control: StepStreams;
  readonly sections: readonly RawSection[];
  /** Bytes by what they were spent on (engine/statistics.ts). */
  readonly statistics: readonly number[];
}

/** A worker thread that encodes one pair after another. Once it has ended it is of no more use. */
export class EncoderThread {
  readonly #worker: Worker;
  #isAlive = true;

  constructor(module: WebAssembly.Module) {
    this.#worker = new Worker(ENCODE_WORKER, { workerData: { module }, name: 'delta-encoder' });
    // A thread without work does not keep the program running.
    this.#worker.unref();
  }

  /** False once the thread was ended: by its budget, by the signal, or by a crash. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Rejects with `budget`, `aborted`, what reading throws, or `bad_format` when the kernel gives up. */
  async encode(input: PairInput, { signal }: IoOptions): Promise<RawPair> {
    const worker = this.#worker;
    const exchange = new Exchange(worker, input);
    const end = (error: Error): void => {
      this.#isAlive = false;
      void worker.terminate();
      exchange.fail(error);
    };
    const timer = setTimeout(() => {
      end(new DeltaError('budget', `the engine took more than ${input.budgetMs} ms`));
    }, input.budgetMs);
    const onAbort = (): void => {
      end(new DeltaError('aborted', 'comparing files: aborted', { cause: signal?.reason }));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    worker.ref();
    worker.on('error', (cause: Error) => {
      end(new DeltaError('budget', `the engine's thread ended: ${cause.message}`, { cause }));
    });
    try {
      return await exchange.run();
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      worker.removeAllListeners();
      worker.unref();
    }
  }

  async close(): Promise<void> {
    this.#isAlive = false;
    await this.#worker.terminate();
  }
}

/** What a thread and its owner say to each other about one pair. */
class Exchange {
  readonly #worker: Worker;
  readonly #input: PairInput;
  readonly #sections: RawSection[] = [];
  #control: StepStreams = [];
  #resolve: (pair: RawPair) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(worker: Worker, input: PairInput) {
    this.#worker = worker;
    this.#input = input;
  }

  async run(): Promise<RawPair> {
    const { profile, sources, fresh } = this.#input;
    const result = new Promise<RawPair>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#worker.on('message', (message: FromWorker) => {
      this.#receive(message).catch((error: unknown) => {
        this.fail(error instanceof Error ? error : new Error(String(error)));
      });
    });
    this.#send({ kind: 'encode', profile, sources, newBytes: fresh.size });
    return result;
  }

  fail(error: Error): void {
    this.#reject(error);
  }

  async #receive(message: FromWorker): Promise<void> {
    switch (message.kind) {
      case 'need': {
        const side = message.side === 'old' ? this.#input.old : this.#input.fresh;
        const bytes = new Uint8Array(await side.read(message.offset, message.length));
        this.#send({ kind: 'piece', bytes }, [bytes.buffer]);
        return;
      }
      case 'control':
        this.#control = message.streams;
        return;
      case 'section':
        this.#sections.push(message.section);
        return;
      case 'done': {
        const { statistics } = message;
        this.#resolve({ control: this.#control, sections: this.#sections, statistics });
        return;
      }
      case 'failed':
        throw new DeltaError(message.code === 'budget' ? 'budget' : 'bad_format', message.message);
    }
  }

  #send(message: ToWorker, moved: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, moved);
  }
}
