import type { Clock } from '../../../storage/clock.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { Exchange } from '../../http/exchange.ts';
import { clientKey } from '../../ostree/old-clients.ts';
import type { FoundSummary } from './summary-pairs.ts';

/** Readers that are remembered; the oldest go first. */
const MAX_READERS = 4096;
/** A client asks for the summary right after its signatures. */
const REMEMBERED_MS = 60_000;

interface Reader {
  readonly found: FoundSummary;
  readonly atMs: number;
}

/**
 * Who has got a summary's signatures and not yet the summary: it is to be the one that they sign, though
 * the origin's may have moved on. A client is told by address, user agent, account and repository.
 */
export class SummaryReaders {
  readonly #clock: Clock;
  readonly #readers = new Map<string, Reader>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  remember(x: Exchange, repo: RepoName, found: FoundSummary): void {
    const key = clientKey(x, repo);
    this.#readers.delete(key);
    this.#readers.set(key, { found, atMs: this.#clock() });
    const [oldest] = this.#readers.keys();
    if (this.#readers.size > MAX_READERS && oldest !== undefined) this.#readers.delete(oldest);
  }

  /** What the client's signatures are of; once, so that whoever asks for summaries only gets new ones. */
  take(x: Exchange, repo: RepoName): FoundSummary | undefined {
    const key = clientKey(x, repo);
    const reader = this.#readers.get(key);
    this.#readers.delete(key);
    if (reader === undefined || this.#clock() - reader.atMs > REMEMBERED_MS) return undefined;
    return reader.found;
  }
}
