import { formatConfig } from '../../delta/ostree/config.ts';
import { digestOf } from '../../storage/digest.ts';
import type { RepoName } from '../../storage/names.ts';
import { parseOstreeChecksum } from '../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../storage/ostree/ref-name.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { asNotFound } from './not-found.ts';
import type { OstreeOptions } from './options.ts';
import { sendDocument } from './send-document.ts';
import { Summaries } from './summaries.ts';
import { SUMMARY_HEADER } from './summary-header.ts';

const TEXT = 'text/plain; charset=utf-8';

/** The files of a repository that change: `config`, refs, the summary, commitmeta. */
export class OstreeDocuments {
  readonly #options: OstreeOptions;
  readonly #summaries: Summaries;

  constructor(options: OstreeOptions) {
    this.#options = options;
    this.#summaries = new Summaries(options);
  }

  async config(x: Exchange, repo: RepoName): Promise<void> {
    await this.#expectRepo(repo);
    sendDocument(x, { bytes: Buffer.from(formatConfig()), mediaType: TEXT }, this.#options.clock);
  }

  /** `refs/heads/{ref}`: the commit's checksum and a newline. */
  async ref(x: Exchange, repo: RepoName, name: string): Promise<void> {
    const { catalog, clock } = this.#options;
    const ref = asNotFound(() => parseOstreeRef(name));
    const checksum = await catalog.ostree.resolveRef(repo, ref);
    if (checksum === undefined) throw new HttpError('not_found', `${repo} has no ref ${ref}`);
    const [move] = await catalog.ostree.refLog(repo, ref, 1);
    // Another move may have come between the two.
    const modifiedMs = move?.checksum === checksum ? move.movedMs : undefined;
    sendDocument(x, { bytes: Buffer.from(`${checksum}\n`), modifiedMs, mediaType: TEXT }, clock);
  }

  async summary(x: Exchange, repo: RepoName): Promise<void> {
    await this.#expectRepo(repo);
    sendDocument(x, await this.#summaries.get(repo), this.#options.clock);
  }

  async summarySignatures(x: Exchange, repo: RepoName): Promise<void> {
    await this.#expectRepo(repo);
    const { bytes, signatures, modifiedMs } = await this.#summaries.get(repo);
    if (signatures === undefined) {
      throw new HttpError('not_found', `nobody signs the summary of ${repo}`);
    }
    const headers = { [SUMMARY_HEADER]: digestOf(bytes) };
    sendDocument(x, { bytes: signatures, modifiedMs, headers }, this.#options.clock);
  }

  /** `objects/xx/rest.commitmeta`, of the commit with that checksum. */
  async commitmeta(x: Exchange, repo: RepoName, checksum: string): Promise<void> {
    const { catalog, clock } = this.#options;
    const commit = asNotFound(() => parseOstreeChecksum(checksum));
    const found = await catalog.ostree.commitmeta(repo, commit);
    if (found === undefined) {
      throw new HttpError('not_found', `${repo} has no metadata beside the commit ${commit}`);
    }
    sendDocument(x, { bytes: found.bytes, modifiedMs: found.updatedMs }, clock);
  }

  async #expectRepo(repo: RepoName): Promise<void> {
    const repos = await this.#options.catalog.ostree.repos();
    if (!repos.includes(repo)) {
      throw new HttpError('not_found', `there is no OSTree repository ${repo}`);
    }
  }
}
