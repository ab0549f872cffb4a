import type { ObjectFacts } from './answer-head.ts';
import { FileAnswer } from './file-answer.ts';
import type { HotAnswer } from './hot-answer.ts';
import { MemoryAnswer } from './memory-answer.ts';
import type { PlainRequest } from './plain-request.ts';
import { Scratch } from './scratch.ts';

/** An object as it was loaded: small ones as bytes, large ones as an open file. */
export interface HotObject extends ObjectFacts {
  readonly content: { readonly bytes: Buffer } | { readonly fd: number };
}

/** Where hot answers come from, and how long they hold. */
export interface HotSource {
  /**
   * The object that a plain GET of the path, or of a range of it, is answered from; undefined leaves
   * it to the routes this time, errors included, `never` every time.
   */
  load(path: string, part: 'whole' | 'range'): Promise<HotObject | 'never' | undefined>;
  /** Changes whenever what was loaded before may no longer hold; undefined while that can't be told. */
  epoch(): number | undefined;
}

/** Bytes of answers in one process. */
const MAX_BYTES = 128 * 1024 * 1024;
/** Files that are open at once. */
const MAX_FILES = 256;
/** A file that nobody asked for within this, or twice this, is closed. */
const IDLE_MS = 1000;
/** Requests that are remembered as left to the routes for ever. */
const MAX_COLD = 10_000;

interface Entry {
  readonly answer: HotAnswer;
  readonly epoch: number;
  /** Asked for since the last look at it: not the next to go. */
  used: boolean;
}

interface Loading {
  readonly epoch: number;
  readonly answer: Promise<HotAnswer | undefined>;
}

/**
 * Answers by the request's key, within bounds of memory and of open files; which go first is told by the CLOCK
 * algorithm (Corbató 1968). None is given out under another epoch than that of its loading.
 */
export class HotAnswers {
  readonly #source: HotSource;
  readonly #keepAliveMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #files = new Set<string>();
  readonly #loading = new Map<string, Loading>();
  readonly #cold = new Set<string>();
  readonly #scratch = new Scratch();
  readonly #sweep: NodeJS.Timeout;
  #bytes = 0;
  #closed = false;

  constructor(source: HotSource, keepAliveMs: number) {
    this.#source = source;
    this.#keepAliveMs = keepAliveMs;
    this.#sweep = setInterval(() => {
      this.#closeIdle();
    }, IDLE_MS).unref();
  }

  /** The answer if it is at hand and holds under `epoch`. */
  get(key: string, epoch: number): HotAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.epoch !== epoch) {
      this.#drop(key);
      return undefined;
    }
    entry.used = true;
    return entry.answer;
  }

  /** True if such requests are left to the routes for ever. */
  isCold(key: string): boolean {
    return this.#cold.has(key);
  }

  /**
   * Loads an answer under the epoch that is now, once however many ask. Never rejects: a failure is
   * for the routes to meet.
   */
  load(request: PlainRequest): Promise<HotAnswer | undefined> {
    const { key } = request;
    const epoch = this.#source.epoch();
    if (epoch === undefined) return Promise.resolve(undefined);
    const running = this.#loading.get(key);
    if (running?.epoch === epoch) return running.answer;
    const loading: Loading = { epoch, answer: this.#load(request, epoch) };
    this.#loading.set(key, loading);
    void loading.answer.then(() => {
      if (this.#loading.get(key) === loading) this.#loading.delete(key);
    });
    return loading.answer;
  }

  /** Lets go of everything. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const key of this.#entries.keys()) this.#drop(key);
  }

  async #load({ target, key, range }: PlainRequest, epoch: number): Promise<HotAnswer | undefined> {
    let object: HotObject | 'never' | undefined;
    try {
      object = await this.#source.load(target, range === undefined ? 'whole' : 'range');
    } catch {
      // The route meets the same fault and answers for it; remembering it would outlive the fault.
      return undefined;
    }
    if (object === 'never') this.#remember(key);
    if (object === 'never' || object === undefined) return undefined;
    const answer = this.#answerOf(object);
    if (this.#closed) {
      answer.close();
      return undefined;
    }
    this.#drop(key);
    this.#entries.set(key, { answer, epoch, used: false });
    this.#bytes += answer.cost;
    if (answer instanceof FileAnswer) this.#files.add(key);
    this.#evict();
    return answer;
  }

  #answerOf(object: HotObject): HotAnswer {
    const { content, ...facts } = object;
    if ('fd' in content) {
      return new FileAnswer(facts, content.fd, this.#keepAliveMs, this.#scratch);
    }
    return new MemoryAnswer(facts, content.bytes, this.#keepAliveMs);
  }

  #remember(key: string): void {
    if (this.#cold.size >= MAX_COLD) this.#cold.clear();
    this.#cold.add(key);
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#files.delete(key);
    this.#bytes -= entry.answer.cost;
    entry.answer.close();
  }

  #evict(): void {
    for (const key of this.#files) {
      if (this.#files.size <= MAX_FILES) break;
      this.#drop(key);
    }
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= MAX_BYTES) return;
      if (entry.used) {
        // Another round: to the end of the line, unused.
        entry.used = false;
        this.#entries.delete(key);
        this.#entries.set(key, entry);
      } else this.#drop(key);
    }
  }

  #closeIdle(): void {
    for (const key of this.#files) {
      const entry = this.#entries.get(key);
      if (entry?.used === true) entry.used = false;
      else this.#drop(key);
    }
  }
}
