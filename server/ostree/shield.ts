import type { Clock } from '../../storage/clock.ts';
import type { RepoName } from '../../storage/names.ts';
import type { OstreeChecksum } from '../../storage/ostree/checksum.ts';
import type { Exchange } from '../http/exchange.ts';
import {
  BACKLOG,
  deltaWorkMs,
  objectsIn,
  type DeltaAnswer,
  type DeltaOutline,
} from './delta-work.ts';
import { clientKey, isHasty } from './old-clients.ts';

/** Calls back after so many milliseconds, unless it is stopped before. */
export type StartTimer = (ms: number, then: () => void) => { stop(): void };

export interface ShieldOptions {
  readonly clock?: Clock | undefined;
  readonly startTimer?: StartTimer | undefined;
  /** How long a client must have had no delta request, its work on the last ones apart, before its objects are answered. */
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
  /** The last of them that are, which the client may still be working on. */
  answers: readonly DeltaAnswer[];
  /** Of the delta, about. */
  objects: number;
  /** What is known of its deltas. */
  outlines: readonly DeltaOutline[];
  timer: { stop(): void } | undefined;
  readonly waiting: Set<() => void>;
}

const QUIET_MS = 1500;
/** A client that goes on asking is held again, each time for twice as long. */
const MAX_ROUNDS = 3;
/** Less than a connection may be idle. */
const MAX_HOLD_MS = 8 * 60_000;
const MAX_HOLDS = 512;
/** Clients watched at once; a puller more is not shielded. */
const MAX_PULLERS = 4096;
/** Deltas of one pull whose outlines are kept. */
const MAX_DELTAS = 16;

/**
 * Keeps clients before 2023.7 from fetching, beside a delta, the loose objects that it brings: answers
 * to their object requests are held while the client has delta requests in flight, and then for as long as it
 * may take it to work through what it got (`delta-work.ts`), a quiet moment at least. It then finds the
 * objects there and asks for no more (measured: 22.5 MB without, 4.43 with). One that does ask for more when
 * the answers go was not through: it is held again, for longer, twice at most, so that what it lacks
 * indeed (of another ref, say) is a little late. A delta's fallbacks are not held. A client limits the time of connecting only, so it waits.
 *
 * A client is told by address, user agent, account and repository: it pulls over several connections.
 * Two of them that look the same, behind one proxy, hold each other up, for a bounded time.
 */
export class DeltaShield {
  readonly #startTimer: StartTimer;
  readonly #clock: Clock;
  readonly #quietMs: number;
  readonly #maxHoldMs: number;
  readonly #maxHolds: number;
  readonly #pullers = new Map<string, Puller>();
  #holds = 0;

  constructor(options: ShieldOptions = {}) {
    this.#startTimer = options.startTimer ?? startTimer;
    this.#clock = options.clock ?? Date.now;
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
    const key = clientKey(x, repo);
    const puller = this.#pullers.get(key) ?? {
      inFlight: 0,
      answers: [],
      objects: 0,
      outlines: [],
      timer: undefined,
      waiting: new Set(),
    };
    if (!this.#pullers.has(key)) {
      if (this.#pullers.size >= MAX_PULLERS) return;
      this.#pullers.set(key, puller);
    }
    puller.inFlight += 1;
    puller.timer?.stop();
    puller.timer = undefined;
    const startedMs = this.#clock();
    x.res.once('close', () => {
      puller.inFlight -= 1;
      note(puller, { ...answerOf(x), startedMs, endedMs: this.#clock() });
      if (puller.inFlight > 0) return;
      const contentBytes = Math.max(0, ...puller.outlines.map((one) => one.contentBytes));
      const workMs = deltaWorkMs(puller.answers, puller.objects, contentBytes);
      const waitMs = this.#quietMs + workMs;
      puller.timer = this.#startTimer(waitMs, () => {
        this.#release(key, puller, waitMs, 1);
      });
    });
  }

  /** Tells of the delta that the client pulls; a request for it was `watch`ed. */
  describe(x: Exchange, repo: RepoName, outline: DeltaOutline): void {
    const puller = this.#pullers.get(clientKey(x, repo));
    if (puller === undefined) return;
    puller.outlines = [...puller.outlines, outline].slice(-MAX_DELTAS);
  }

  /** Resolves when an object may be sent: at once, unless the client is pulling a delta that brings it. */
  async hold(x: Exchange, repo: RepoName, object?: OstreeChecksum): Promise<void> {
    if (x.req.method !== 'GET' || !isHasty(x)) return;
    const puller = this.#pullers.get(clientKey(x, repo));
    if (puller === undefined || this.#holds >= this.#maxHolds || x.signal.aborted) return;
    if (object !== undefined && isFallback(puller, object)) return;
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

  /** Lets all go, and sees for a quiet moment whether the client asks for more. */
  #release(key: string, puller: Puller, waitMs: number, round: number): void {
    for (const go of puller.waiting) go();
    if (round === MAX_ROUNDS) {
      this.#pullers.delete(key);
      return;
    }
    puller.timer = this.#startTimer(this.#quietMs, () => {
      if (puller.waiting.size === 0) {
        this.#pullers.delete(key);
        return;
      }
      const nextMs = 2 * waitMs;
      puller.timer = this.#startTimer(nextMs - this.#quietMs, () => {
        this.#release(key, puller, nextMs, round + 1);
      });
    });
  }
}

function isFallback({ outlines }: Puller, object: OstreeChecksum): boolean {
  return outlines.some(({ fallbacks }) => fallbacks.has(object));
}

function note(puller: Puller, answer: DeltaAnswer): void {
  puller.answers = [...puller.answers, answer].slice(-BACKLOG);
  if (answer.isSuperblock) puller.objects += objectsIn(answer.bytes);
}

function answerOf({ path, res }: Exchange): Pick<DeltaAnswer, 'bytes' | 'isSuperblock'> {
  const length = Number(res.getHeader('Content-Length'));
  return {
    bytes: Number.isSafeInteger(length) ? length : 0,
    isSuperblock: path.endsWith('/superblock'),
  };
}

function startTimer(ms: number, then: () => void): { stop(): void } {
  const timer = setTimeout(then, ms);
  return {
    stop: () => {
      clearTimeout(timer);
    },
  };
}
