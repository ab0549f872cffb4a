/** Waits, before a step of that name, until the scheduler lets it happen. */
export type Gate = (label: string) => Promise<void>;

interface Waiting {
  readonly label: string;
  readonly go: () => void;
  readonly stop: (error: Error) => void;
}

const KILLED = new Error('killed');

/** How an operation ended; `killed`: nobody knows how far it came. */
export type Ending =
  { readonly kind: 'done' | 'killed' } | { readonly kind: 'failed'; readonly error: unknown };

/**
 * An operation that stops before each of its steps on the store or the catalog until it is told to go
 * on; or never is, as when its process dies.
 */
export class Actor {
  readonly name: string;
  readonly isCollector: boolean;
  readonly #onEnd: (ending: Ending) => void;
  readonly #waiting: Waiting[] = [];
  #ended = false;
  #moved: () => void = () => undefined;

  constructor(name: string, isCollector: boolean, onEnd: (ending: Ending) => void) {
    this.name = name;
    this.isCollector = isCollector;
    this.#onEnd = onEnd;
  }

  get isAlive(): boolean {
    return !this.#ended;
  }

  /** The step that comes next. */
  get next(): string | undefined {
    return this.#waiting[0]?.label;
  }

  /** Begins the work; returns once it waits for its first step, or has ended. */
  async start(work: (gate: Gate) => Promise<void>): Promise<void> {
    const moved = this.#nextMove();
    const gate: Gate = (label) =>
      new Promise((go, stop) => {
        if (this.#ended) {
          stop(KILLED);
          return;
        }
        this.#waiting.push({ label, go, stop });
        this.#moved();
      });
    work(gate).then(
      () => {
        this.#end({ kind: 'done' });
      },
      (error: unknown) => {
        this.#end({ kind: 'failed', error });
      },
    );
    await moved;
  }

  /** Lets one step happen; returns once the next one waits, or the work has ended. */
  async step(): Promise<void> {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    const moved = this.#nextMove();
    waiting.go();
    await moved;
  }

  /** The process dies: what was done stands, and no step happens any more; only scratch files are closed. */
  kill(): void {
    this.#end({ kind: 'killed' });
    for (const { stop } of this.#waiting.splice(0)) stop(KILLED);
  }

  #end(ending: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(ending);
    this.#moved();
  }

  #nextMove(): Promise<void> {
    return new Promise((resolve) => {
      this.#moved = resolve;
    });
  }
}
