import type {
  CachedOstreeDocument,
  CachedOstreeDocuments,
} from '../../../storage/catalog/cache-ostree-documents.ts';
import type { Clock } from '../../../storage/clock.ts';
import { isStorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { Logger } from '../../observe/logger.ts';
import type { Upstream } from '../upstream.ts';
import { askDocument } from './ask-document.ts';

/** A confirmation is written down again only after so long. */
const CONFIRM_AGAIN_MS = 1000;

export interface OstreeDocumentsOptions {
  readonly upstream: Upstream;
  readonly ostreeDocuments: CachedOstreeDocuments;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A file that may change, or that there is none, as the origin says now or last said. */
export interface FoundDocument {
  readonly document: CachedOstreeDocument;
  /** Seconds since the origin last confirmed it, when it could not be asked now. */
  readonly staleSeconds?: number | undefined;
  /** Why there is none here, where it is not the origin that said so. */
  readonly why?: string | undefined;
}

/**
 * Files of repositories that may change, apart from summaries. The origin is asked each time, once for
 * all who ask meanwhile; when it is gone, its last answer counts, also that there is no such file: a
 * client needs that answer to go on.
 */
export class OstreeDocuments {
  readonly #options: OstreeDocumentsOptions;
  readonly #running = new Map<string, Promise<FoundDocument>>();

  constructor(options: OstreeDocumentsOptions) {
    this.#options = options;
  }

  /**
   * `before` is done with a document that is new, before anybody sees it. Throws `unavailable` when the
   * origin is gone and has never been asked, `UpstreamError`.
   */
  get(
    repo: RepoName,
    inside: string,
    before?: (document: CachedOstreeDocument) => Promise<void>,
  ): Promise<FoundDocument> {
    const path = `${repo}/${inside}`;
    const running = this.#running.get(path);
    if (running !== undefined) return running;
    const asked = this.#ask(repo, inside, before).finally(() => {
      this.#running.delete(path);
    });
    this.#running.set(path, asked);
    return asked;
  }

  /** What is known without asking. */
  async known(repo: RepoName, inside: string): Promise<CachedOstreeDocument | undefined> {
    return this.#options.ostreeDocuments.get(`${repo}/${inside}`);
  }

  async #ask(
    repo: RepoName,
    inside: string,
    before: ((document: CachedOstreeDocument) => Promise<void>) | undefined,
  ): Promise<FoundDocument> {
    const { upstream, ostreeDocuments, clock } = this.#options;
    const path = `${repo}/${inside}`;
    const known = await ostreeDocuments.get(path);
    try {
      const answer = await askDocument(upstream, repo, inside, known?.body);
      const { staleSeconds } = answer;
      const checkedMs = clock() - (staleSeconds ?? 0) * 1000;
      if (known !== undefined && ('unchanged' in answer || (!answer.body && !known.body))) {
        if (checkedMs - known.checkedMs >= CONFIRM_AGAIN_MS) await this.#confirm(path, checkedMs);
        return { document: known, staleSeconds };
      }
      if ('unchanged' in answer) throw new Error(`${path}: unchanged, but not known`);
      const document = { ...answer, checkedMs };
      await before?.(document);
      await this.#keep(path, document);
      return { document, staleSeconds };
    } catch (error) {
      if (known === undefined || !isStorageError(error, 'unavailable')) throw error;
      const ageMs = Math.max(0, clock() - known.checkedMs);
      return { document: known, staleSeconds: Math.floor(ageMs / 1000) };
    }
  }

  async #confirm(path: string, checkedMs: number): Promise<void> {
    try {
      await this.#options.ostreeDocuments.confirm(path, checkedMs);
    } catch (error) {
      this.#options.logger.warn({ path, err: error }, 'cannot note that a file is still the same');
    }
  }

  /** What can't be kept is served all the same. */
  async #keep(path: string, document: CachedOstreeDocument): Promise<void> {
    try {
      await this.#options.ostreeDocuments.put(path, document);
    } catch (error) {
      this.#options.logger.warn({ path, err: error }, 'cannot keep a file of the origin');
    }
  }
}
