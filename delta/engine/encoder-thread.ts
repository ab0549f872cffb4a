import { Worker } from 'node:worker_threads';

import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { stepsLeftOut } from './ablation.ts';
import type { EncoderData, FromWorker, RawSection, StepStreams, ToWorker } from './encode-job.ts';
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
  /** Told of new bytes as their sections are done. */
  readonly onCoded?: ((bytes: number) => void) | undefined;
}

/** Too much of the new bytes resembles nothing old: coding them takes longer than it is worth. */
export const MOSTLY_NEW = 'mostly new';

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
  #exchange: Exchange | undefined;

  constructor(module: WebAssembly.Module) {
    const workerData: EncoderData = { module, leftOut: stepsLeftOut() };
    this.#worker = new Worker(ENCODE_WORKER, { workerData, name: 'delta-encoder' });
    this.#worker.on('message', (message: FromWorker) => this.#exchange?.receive(message));
    this.#worker.on('error', (cause: Error) => {
      this.#end(new DeltaError('budget', `the engine's thread ended: ${cause.message}`, { cause }));
    });
    // A thread without work does not keep the program running.
    this.#worker.unref();
  }

  /** False once the thread was ended: by its budget, by the signal, or by a crash. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Rejects with `budget`, `aborted`, what reading throws, or `bad_format` when the kernel gives up. */
  async encode(input: PairInput, { signal }: IoOptions): Promise<RawPair | typeof MOSTLY_NEW> {
    const exchange = new Exchange(this.#worker, input);
    this.#exchange = exchange;
    const timer = setTimeout(() => {
      this.#end(new DeltaError('budget', `the engine took more than ${input.budgetMs} ms`));
    }, input.budgetMs);
    const onAbort = (): void => {
      this.#end(new DeltaError('aborted', 'comparing files: aborted', { cause: signal?.reason }));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#worker.ref();
    try {
      return await exchange.run();
    } catch (error) {
      // The thread may be anywhere in the pair, unless it said itself that it gave up.
      if (!exchange.isOver) this.#end(error);
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#exchange = undefined;
      this.#worker.unref();
    }
  }

  async close(): Promise<void> {
    this.#isAlive = false;
    await this.#worker.terminate();
  }

  #end(error: unknown): void {
    this.#isAlive = false;
    void this.#worker.terminate();
    this.#exchange?.fail(error);
  }
}

/** What a thread and its owner say to each other about one pair. */
class Exchange {
  readonly #worker: Worker;
  readonly #input: PairInput;
  readonly #sections: RawSection[] = [];
  readonly #result: Promise<RawPair | typeof MOSTLY_NEW>;
  #control: StepStreams = [];
  #resolve: (pair: RawPair | typeof MOSTLY_NEW) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #isOver = false;

  constructor(worker: Worker, input: PairInput) {
    this.#worker = worker;
    this.#input = input;
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** True once the thread is ready for another pair. */
  get isOver(): boolean {
    return this.#isOver;
  }

  async run(): Promise<RawPair | typeof MOSTLY_NEW> {
    const { profile, sources, fresh } = this.#input;
    this.#send({ kind: 'encode', profile, sources, newBytes: fresh.size });
    return this.#result;
  }

  fail(error: unknown): void {
    this.#reject(error);
  }

  receive(message: FromWorker): void {
    switch (message.kind) {
      case 'need':
        this.#give(message.side, message.offset, message.into);
        return;
      case 'control':
        this.#control = message.streams;
        return;
      case 'section':
        this.#input.onCoded?.(message.section.end - (this.#sections.at(-1)?.end ?? 0));
        this.#sections.push(message.section);
        return;
      case 'refused':
        this.#isOver = true;
        this.#resolve(MOSTLY_NEW);
        return;
      case 'done': {
        const { statistics } = message;
        this.#isOver = true;
        this.#resolve({ control: this.#control, sections: this.#sections, statistics });
        return;
      }
      case 'failed': {
        const code = message.code === 'budget' ? 'budget' : 'bad_format';
        this.#isOver = true;
        this.#reject(new DeltaError(code, message.message));
      }
    }
  }

  #give(side: 'old' | 'new', offset: number, into: Uint8Array<ArrayBuffer>): void {
    const source = side === 'old' ? this.#input.old : this.#input.fresh;
    try {
      source.readSync(offset, into);
    } catch (error) {
      this.#reject(error);
      return;
    }
    this.#send({ kind: 'piece', bytes: into }, [into.buffer]);
  }

  #send(message: ToWorker, moved: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, moved);
  }
}
