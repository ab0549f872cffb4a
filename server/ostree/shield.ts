import type { RepoName } from '../../storage/names.ts';
import type { Exchange } from '../http/exchange.ts';

/** Calls back after so many milliseconds, unless it is stopped before. */
export type StartTimer = (ms: number, then: () => void) => { stop(): void };

export interface ShieldOptions {
  readonly startTimer?: StartTimer | undefined;
  /** How long a client must have had no delta request, its work on the last apart, before its objects are answered. */
  readonly quietMs?: number | undefined;
  /** An answer is held no longer than this, whatever the client does. */
  readonly maxHoldMs?: number | undefined;
  /** Answers held at once; past it, they are sent. */
  readonly maxHolds?: number | undefined;
}

/** A client that pulls a delta. */
interface Puller {
  /** Delta requests that are not answered to their end. */
  inFlight: number;
  /** Of the last two answers, which it may still be working on. */
  recent: readonly number[];
  quiet: { stop(): void } | undefined;
  readonly waiting: Set<() => void>;
}

const QUIET_MS = 1500;
/** Bytes of parts that a slow client works through in a second, and the most that it is given. */
const WORKED_BYTES = 1024 * 1024;
const MAX_WORK_MS = 20_000;
/** Less than a connection may be idle. */
const MAX_HOLD_MS = 8 * 60_000;
const MAX_HOLDS = 512;
/** Clients watched at once; a puller more is not shielded. */
const MAX_PULLERS = 4096;
/** From here on clients wait for a delta themselves: ostree#2926. */
const FIRST_PATIENT = { year: 2023, release: 7 };

/**
 * Keeps clients before 2023.7 from fetching, beside a delta, the loose objects that it brings: answers
 * to their object requests are held while the client has delta requests in flight, and for a quiet
 * moment after. It then finds the objects there and asks for no more (measured: 22.5 MB without, 4.43
 * with). A client limits the time of connecting only, so it waits; fallbacks come a little later.
 *
 * A client is told by address, user agent, account and repository: it pulls over several connections.
 * Two of them that look the same, behind one proxy, hold each other up, for a bounded time.
 */
export class DeltaShield {
  readonly #startTimer: StartTimer;
  readonly #quietMs: number;
  readonly #maxHoldMs: number;
  readonly #maxHolds: number;
  readonly #pullers = new Map<string, Puller>();
  #holds = 0;

  constructor(options: ShieldOptions = {}) {
    this.#startTimer = options.startTimer ?? startTimer;
    this.#quietMs = options.quietMs ?? QUIET_MS;
    this.#maxHoldMs = options.maxHoldMs ?? MAX_HOLD_MS;
    this.#maxHolds = options.maxHolds ?? MAX_HOLDS;
  }

  /** Answers that are held now. */
  get holds(): number {
    return this.#holds;
  }

  /** Notes a request for a superblock or a part, until its answer ends. */
  watch(x: Exchange, repo: RepoName): void {
    if (!isHasty(x)) return;
    const key = keyOf(x, repo);
    const puller = this.#pullers.get(key) ?? {
      inFlight: 0,
      recent: [],
      quiet: undefined,
      waiting: new Set(),
    };
    if (!this.#pullers.has(key)) {
      if (this.#pullers.size >= MAX_PULLERS) return;
      this.#pullers.set(key, puller);
    }
    puller.inFlight += 1;
    puller.quiet?.stop();
    puller.quiet = undefined;
    x.res.once('close', () => {
      puller.inFlight -= 1;
      puller.recent = [...puller.recent.slice(-1), bytesOf(x)];
      if (puller.inFlight > 0) return;
      puller.quiet = this.#startTimer(this.#quietMs + workMs(puller), () => {
        this.#pullers.delete(key);
        for (const go of puller.waiting) go();
      });
    });
  }

  /** Resolves when an object may be sent: at once, unless the client is pulling a delta. */
  async hold(x: Exchange, repo: RepoName): Promise<void> {
    if (x.req.method !== 'GET' || !isHasty(x)) return;
    const puller = this.#pullers.get(keyOf(x, repo));
    if (puller === undefined || this.#holds >= this.#maxHolds || x.signal.aborted) return;
    this.#holds += 1;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        puller.waiting.delete(go);
        x.signal.removeEventListener('abort', go);
        limit.stop();
        resolve();
      };
      const limit = this.#startTimer(this.#maxHoldMs, go);
      puller.waiting.add(go);
      x.signal.addEventListener('abort', go);
    });
    this.#holds -= 1;
  }
}

/** What it takes a slow client to make objects of what it got. */
function workMs({ recent }: Puller): number {
  const bytes = recent.reduce((total, one) => total + one, 0);
  return Math.min(MAX_WORK_MS, Math.floor((bytes / WORKED_BYTES) * 1000));
}

function bytesOf({ res }: Exchange): number {
  const length = Number(res.getHeader('Content-Length'));
  return Number.isSafeInteger(length) ? length : 0;
}

/** A client that does not wait for the deltas that it fetches. */
function isHasty({ req }: Exchange): boolean {
  const match = /\blibostree\/(\d{4})\.(\d{1,3})\b/.exec(req.headers['user-agent'] ?? '');
  if (match === null) return false;
  const [year, release] = [Number(match[1]), Number(match[2])];
  return year === FIRST_PATIENT.year ? release < FIRST_PATIENT.release : year < FIRST_PATIENT.year;
}

function keyOf({ address, principal, req }: Exchange, repo: RepoName): string {
  return JSON.stringify([address, req.headers['user-agent'], principal?.name, repo]);
}

function startTimer(ms: number, then: () => void): { stop(): void } {
  const timer = setTimeout(then, ms);
  return {
    stop: () => {
      clearTimeout(timer);
    },
  };
}
