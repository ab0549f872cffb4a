import type {
  CachedOstreeSummaries,
  CachedOstreeSummary,
} from '../../../storage/catalog/cache-ostree-summaries.ts';
import type { Clock } from '../../../storage/clock.ts';
import { digestOf } from '../../../storage/digest.ts';
import { isStorageError, StorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { Logger } from '../../observe/logger.ts';
import { SUMMARY_HEADER } from '../../ostree/summary-header.ts';
import type { Upstream } from '../upstream.ts';
import { askDocument } from './ask-document.ts';

/** An origin whose summary moves each time between two requests is not waited for any longer. */
const MAX_TRIES = 5;
/** A confirmation is written down again only after so long. */
const CONFIRM_AGAIN_MS = 1000;

export interface SummaryPairsOptions {
  readonly upstream: Upstream;
  readonly ostreeSummaries: CachedOstreeSummaries;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A summary and its signatures, as the origin has them now or last had. */
export interface FoundSummary {
  readonly pair: CachedOstreeSummary;
  /** Seconds since the origin last confirmed it, when it could not be asked now. */
  readonly staleSeconds?: number | undefined;
}

/**
 * The summaries of repositories. Signatures are of one summary: both are asked for together, checked to
 * belong together, and kept and given up together. While the signatures stay the same so does what they sign.
 */
export class SummaryPairs {
  readonly #options: SummaryPairsOptions;
  readonly #running = new Map<RepoName, Promise<FoundSummary>>();

  constructor(options: SummaryPairsOptions) {
    this.#options = options;
  }

  /** Throws `unavailable` when the origin is gone and has never been asked, `UpstreamError`. */
  get(repo: RepoName): Promise<FoundSummary> {
    const running = this.#running.get(repo);
    if (running !== undefined) return running;
    const asked = this.#ask(repo).finally(() => {
      this.#running.delete(repo);
    });
    this.#running.set(repo, asked);
    return asked;
  }

  async #ask(repo: RepoName): Promise<FoundSummary> {
    const { ostreeSummaries, clock } = this.#options;
    const known = await ostreeSummaries.get(repo);
    try {
      const { staleSeconds, ...answer } = await this.#askPair(repo, known);
      const pair = { ...answer, checkedMs: clock() - (staleSeconds ?? 0) * 1000 };
      await this.#keep(repo, pair, known);
      return { pair, staleSeconds };
    } catch (error) {
      if (known === undefined || !isStorageError(error, 'unavailable')) throw error;
      const ageMs = Math.max(0, clock() - known.checkedMs);
      return { pair: known, staleSeconds: Math.floor(ageMs / 1000) };
    }
  }

  async #askPair(
    repo: RepoName,
    known: CachedOstreeSummary | undefined,
  ): Promise<Omit<CachedOstreeSummary, 'checkedMs'> & Pick<FoundSummary, 'staleSeconds'>> {
    const { upstream } = this.#options;
    const old = known?.summary === undefined ? undefined : known;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const signed = await askDocument(upstream, repo, 'summary.sig', old?.signatures);
      const { staleSeconds } = signed;
      if ('unchanged' in signed) {
        if (old !== undefined) return { ...old, staleSeconds };
        continue;
      }
      const answer = await askDocument(upstream, repo, 'summary', old?.summary);
      const { body: summary, modifiedMs } =
        'unchanged' in answer ? { ...old, body: old?.summary } : answer;
      const { body: signatures, headers } = signed;
      const of = headers[SUMMARY_HEADER];
      // An origin that does not say what it signed is believed.
      if (signatures === undefined || of === undefined || (summary && of === digestOf(summary))) {
        return { summary, signatures, modifiedMs, staleSeconds };
      }
    }
    throw new StorageError('unavailable', `the summary of ${repo} moves too fast to be read`, {
      retryable: true,
    });
  }

  /** What can't be kept is served all the same. */
  async #keep(
    repo: RepoName,
    pair: CachedOstreeSummary,
    known: CachedOstreeSummary | undefined,
  ): Promise<void> {
    const { ostreeSummaries, logger } = this.#options;
    try {
      if (
        known === undefined ||
        known.summary !== pair.summary ||
        known.signatures !== pair.signatures
      )
        await ostreeSummaries.put(repo, pair);
      else if (pair.checkedMs - known.checkedMs >= CONFIRM_AGAIN_MS)
        await ostreeSummaries.confirm(repo, pair.checkedMs);
    } catch (error) {
      logger.warn({ repo, err: error }, 'cannot keep a summary');
    }
  }
}
