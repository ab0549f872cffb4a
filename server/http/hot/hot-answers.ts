import { ReadyAnswer, type AnswerParts } from './ready-answer.ts';

/** Where hot answers come from, and how long they hold. */
export interface HotSource {
  /**
   * What is answered to a plain GET of the path; undefined leaves it to the routes this time, errors
   * included, `never` every time.
   */
  load(path: string): Promise<AnswerParts | 'never' | undefined>;
  /** Changes whenever what was loaded before may no longer hold; undefined while that can't be told. */
  epoch(): number | undefined;
}

/** Bytes of ready answers in one process. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Paths that are remembered as left to the routes for ever. */
const MAX_COLD = 10_000;

interface Entry {
  readonly answer: ReadyAnswer;
  readonly epoch: number;
  /** Asked for since the last look at it: not the next to go. */
  used: boolean;
}

interface Loading {
  readonly epoch: number;
  readonly answer: Promise<ReadyAnswer | undefined>;
}

/**
 * Ready answers by path, at most {@link MAX_BYTES} of them; which go first is told by the CLOCK
 * algorithm (Corbató 1968). None is given out under another epoch than that of its loading.
 */
export class HotAnswers {
  readonly #source: HotSource;
  readonly #keepAliveMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Loading>();
  readonly #cold = new Set<string>();
  #bytes = 0;

  constructor(source: HotSource, keepAliveMs: number) {
    this.#source = source;
    this.#keepAliveMs = keepAliveMs;
  }

  /** The answer if it is at hand and holds under `epoch`. */
  get(path: string, epoch: number): ReadyAnswer | undefined {
    const entry = this.#entries.get(path);
    if (entry?.epoch !== epoch) return undefined;
    entry.used = true;
    return entry.answer;
  }

  /** True if the path is left to the routes for ever. */
  isCold(path: string): boolean {
    return this.#cold.has(path);
  }

  /**
   * Loads an answer under the epoch that is now, once however many ask. Never rejects: a failure is
   * for the routes to meet.
   */
  load(path: string): Promise<ReadyAnswer | undefined> {
    const epoch = this.#source.epoch();
    if (epoch === undefined) return Promise.resolve(undefined);
    const running = this.#loading.get(path);
    if (running?.epoch === epoch) return running.answer;
    const loading: Loading = { epoch, answer: this.#load(path, epoch) };
    this.#loading.set(path, loading);
    void loading.answer.then(() => {
      if (this.#loading.get(path) === loading) this.#loading.delete(path);
    });
    return loading.answer;
  }

  async #load(path: string, epoch: number): Promise<ReadyAnswer | undefined> {
    let parts: AnswerParts | 'never' | undefined;
    try {
      parts = await this.#source.load(path);
    } catch {
      // The route meets the same fault and answers for it; remembering it would outlive the fault.
      return undefined;
    }
    if (parts === 'never') this.#remember(path);
    if (parts === 'never' || parts === undefined) return undefined;
    const answer = new ReadyAnswer(parts, this.#keepAliveMs);
    this.#drop(path);
    this.#entries.set(path, { answer, epoch, used: false });
    this.#bytes += answer.size;
    this.#evict();
    return answer;
  }

  #remember(path: string): void {
    if (this.#cold.size >= MAX_COLD) this.#cold.clear();
    this.#cold.add(path);
  }

  #drop(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    this.#bytes -= entry.answer.size;
  }

  #evict(): void {
    for (const [path, entry] of this.#entries) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#drop(path);
      if (!entry.used) continue;
      this.#entries.set(path, { ...entry, used: false });
      this.#bytes += entry.answer.size;
    }
  }
}
