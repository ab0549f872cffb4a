import type { CachedObjects } from '../../../storage/catalog/cache-objects.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Digest } from '../../../storage/digest.ts';
import { isStorageError, StorageError } from '../../../storage/errors.ts';
import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { Releases } from '../releases.ts';
import { Repeater } from '../repeater.ts';
import { StoreAwayError } from '../store-away.ts';
import type { MirrorGate } from './gate.ts';
import type { MirrorItem } from './item.ts';
import type { MirrorPlan, MirrorPlanner } from './planner.ts';
import { mirrorStatus, type MirrorFault, type MirrorStatus } from './status.ts';

export interface MirrorOptions {
  readonly releases: Pick<Releases, 'refresh'>;
  readonly planner: MirrorPlanner;
  readonly gate: MirrorGate;
  readonly objects: Pick<CachedObjects, 'complete'>;
  /** False: nothing is fetched ahead, but what is needed here is still not evicted. */
  readonly fetchAhead: boolean;
  readonly refreshMs: number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'mirrorLacking'>;
  readonly clock: Clock;
}

/** What is being fetched. */
interface Fetching {
  readonly key: string;
  readonly abort: AbortController;
}

/**
 * Keeps up with the origin's releases and, beside that, fetches ahead what the region's policy names, one
 * thing after the other, while its window is open. What is here is not asked for again; what a kill, or
 * something that goes first, interrupted goes on where it was.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #repeater: Repeater;
  readonly #abort = new AbortController();
  #plan: MirrorPlan = { items: [], left: [], pinned: new Set() };
  #fault: MirrorFault | undefined;
  /** What was tried since fetching last began. */
  readonly #tried = new Set<string>();
  #fetching: Fetching | undefined;
  #running: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#repeater = new Repeater({
      everyMs: options.refreshMs,
      work: (signal) => this.#round(signal),
      logger: options.logger,
    });
  }

  /** What live versions' plans and served tags need, as far as a part of the budget goes: never evicted. */
  get pinned(): ReadonlySet<Digest> {
    return this.#plan.pinned;
  }

  isPinned(digest: Digest): boolean {
    return this.#plan.pinned.has(digest);
  }

  /** Starts with what is known from an earlier run. */
  async start(): Promise<void> {
    await this.#reconsider();
    this.#repeater.start();
  }

  /** A live version is new: something may be worth fetching now. */
  poke(): void {
    this.#repeater.poke();
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the cache stops'));
    await this.#repeater.close();
    await this.#running;
  }

  /** Wanted deltas that are here and whole. */
  async mirrored(): Promise<readonly Digest[]> {
    const deltas = this.#plan.items.filter(({ kind }) => kind === 'delta');
    return [...(await this.#options.objects.complete(deltas.flatMap(({ pins }) => pins)))];
  }

  /** As of the last look. */
  get status(): MirrorStatus {
    const { gate, fetchAhead, clock } = this.#options;
    const opensMs = fetchAhead ? gate.opensMs : undefined;
    return mirrorStatus(this.#plan, { fetchAhead, opensMs, nowMs: clock(), fault: this.#fault });
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { releases, logger, fetchAhead } = this.#options;
    try {
      await releases.refresh({ signal });
    } catch (error) {
      if (signal.aborted) return;
      logger.debug({ err: error }, 'cannot refresh the releases');
    }
    // What failed is tried again once all else was.
    if (this.#running === undefined) this.#tried.clear();
    await this.#reconsider();
    if (!fetchAhead) return;
    // The releases are looked at again however long this takes.
    this.#running ??= this.#fetchAll().finally(() => {
      this.#running = undefined;
    });
  }

  async #fetchAll(): Promise<void> {
    try {
      for (;;) {
        const item = this.#next;
        if (item === undefined || this.#abort.signal.aborted || !this.#options.gate.open) return;
        this.#tried.add(keyOf(item));
        if (!(await this.#fetch(item))) return;
        // Chunk indexes that came tell of more.
        await this.#reconsider();
      }
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'cannot tell what to mirror');
    }
  }

  get #next(): MirrorItem | undefined {
    return this.#plan.items.find((item) => !item.here && !this.#tried.has(keyOf(item)));
  }

  async #reconsider(): Promise<void> {
    const look = this.#turn.then(() => this.#look());
    this.#turn = look.catch(() => undefined);
    await look;
  }

  async #look(): Promise<void> {
    const { planner, metrics } = this.#options;
    this.#plan = await planner.plan();
    const { items } = this.#plan;
    const lacking = items.filter(({ here }) => !here);
    if (!lacking.some(({ name }) => name === this.#fault?.name)) this.#fault = undefined;
    metrics.mirrorLacking.set(lacking.reduce((sum, { bytes }) => sum + bytes, 0));
    const fetching = items.findIndex((item) => keyOf(item) === this.#fetching?.key);
    const next = items.findIndex((item) => item === this.#next);
    // What is fetched is wanted no more, or something that goes before it is.
    if (fetching < 0 || (next >= 0 && next < fetching)) this.#fetching?.abort.abort();
  }

  /** False when there is no point in going on now. */
  async #fetch(item: MirrorItem): Promise<boolean> {
    const { logger, clock } = this.#options;
    const { kind, name, bytes } = item;
    const abort = new AbortController();
    this.#fetching = { key: keyOf(item), abort };
    try {
      if (!(await item.fetch(AbortSignal.any([abort.signal, this.#abort.signal])))) return false;
      logger.info({ kind, name, bytes }, 'mirrored');
      return true;
    } catch (error) {
      if (this.#abort.signal.aborted) return false;
      if (abort.signal.aborted) {
        this.#tried.delete(keyOf(item));
        return true;
      }
      this.#fault = { name, message: messageOf(error), atMs: clock() };
      logger.warn({ kind, name, err: error }, 'cannot mirror');
      return !isStorageError(error, 'unavailable') && !(error instanceof StoreAwayError);
    } finally {
      this.#fetching = undefined;
    }
  }
}

function keyOf({ kind, name }: MirrorItem): string {
  return `${kind} ${name}`;
}

/** Who reads it need not know where files lie here. */
function messageOf(error: unknown): string {
  if (!(error instanceof StorageError)) return error instanceof Error ? error.message : 'unknown';
  const { cause } = error;
  const ofFile = typeof cause === 'object' && cause !== null && 'path' in cause;
  return ofFile ? error.code : error.message;
}
