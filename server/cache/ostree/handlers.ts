import { parseDeltaIndexPath, parseDeltaPath } from '../../../delta/ostree/checksum-base64.ts';
import { parseObjectPath } from '../../../delta/ostree/objects/object-name.ts';
import type { Clock } from '../../../storage/clock.ts';
import { digestFromBytes, digestOf } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import { ostreeChecksumBytes, parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { Metrics } from '../../observe/metrics.ts';
import { asNotFound } from '../../ostree/not-found.ts';
import { isHasty } from '../../ostree/old-clients.ts';
import { ScanGate } from '../../ostree/scan-gate.ts';
import { DeltaShield } from '../../ostree/shield.ts';
import { SUMMARY_HEADER } from '../../ostree/summary-header.ts';
import { outlineIn, type CachedDeltas } from './cached-deltas.ts';
import type { FoundDocument, OstreeDocuments } from './documents.ts';
import type { OstreeFiles } from './files.ts';
import { sendFound } from './send-found.ts';
import type { SummaryPairs } from './summary-pairs.ts';
import { SummaryReaders } from './summary-readers.ts';

export interface OstreeHandlersOptions {
  readonly files: OstreeFiles;
  readonly documents: OstreeDocuments;
  readonly deltas: CachedDeltas;
  readonly summaries: SummaryPairs;
  readonly metrics: Pick<Metrics, 'cacheRequests'>;
  readonly clock: Clock;
}

/** `caught` is what the route's pattern caught, not yet checked. */
export type CachedOstreeHandler = (x: Exchange, repo: RepoName, caught: string) => Promise<void>;

/** Answers for the files of a repository, by kind; names are checked before the origin is asked. */
export class OstreeHandlers {
  readonly #options: OstreeHandlersOptions;
  readonly #deltas: CachedDeltas;
  readonly #readers: SummaryReaders;
  readonly #shield: DeltaShield;
  readonly #gate: ScanGate;

  constructor(options: OstreeHandlersOptions) {
    this.#options = options;
    this.#deltas = options.deltas;
    this.#readers = new SummaryReaders(options.clock);
    this.#shield = new DeltaShield({ clock: options.clock });
    this.#gate = new ScanGate(options);
  }

  readonly signatures: CachedOstreeHandler = async (x, repo) => {
    const found = await this.#options.summaries.get(repo);
    if (x.req.method === 'GET') this.#readers.remember(x, repo, found);
    const { pair, staleSeconds } = found;
    const { summary, signatures, modifiedMs } = pair;
    const headers = summary === undefined ? {} : { [SUMMARY_HEADER]: digestOf(summary) };
    const bytes = signatures;
    sendFound(
      x,
      { bytes, modifiedMs, staleSeconds, headers },
      `summary.sig of ${repo}`,
      this.#options,
    );
  };

  readonly summary: CachedOstreeHandler = async (x, repo) => {
    const taken = x.req.method === 'GET' ? this.#readers.take(x, repo) : undefined;
    const { pair, staleSeconds } = taken ?? (await this.#options.summaries.get(repo));
    const { summary, signatures, modifiedMs } = pair;
    const filtered = staleSeconds !== undefined && summary && signatures === undefined;
    const bytes = filtered ? await this.#deltas.summaryOfWhatIsHere(repo, summary) : summary;
    sendFound(x, { bytes, modifiedMs, staleSeconds }, `summary of ${repo}`, this.#options);
  };

  readonly config: CachedOstreeHandler = (x, repo) => this.#document(x, repo, 'config');

  readonly ref: CachedOstreeHandler = (x, repo, name) =>
    this.#document(x, repo, `refs/heads/${asNotFound(() => parseOstreeRef(name))}`);

  readonly commitmeta: CachedOstreeHandler = (x, repo, path) => {
    asNotFound(() => parseOstreeChecksum(path.replace('/', '')));
    return this.#document(x, repo, `objects/${path}.commitmeta`);
  };

  readonly object: CachedOstreeHandler = async (x, repo, path) => {
    const { kind, checksum } = asNotFound(() => parseObjectPath(path));
    // As at the origin: the commit is small, and asked for before any delta.
    const hold = (): Promise<void> => this.#shield.hold(x, repo, checksum);
    if (kind === 'dirtree') await this.#gate.during(x, repo, hold);
    else if (kind !== 'commit') await hold();
    const digest = kind === 'file' ? undefined : digestFromBytes(ostreeChecksumBytes(checksum));
    await this.#options.files.send(x, { repo, inside: path, digest });
  };

  readonly delta: CachedOstreeHandler = async (x, repo, path) => {
    const { delta, file } = asNotFound(() => parseDeltaPath(path));
    if (file !== 'superblock') {
      // Before it is here: the client waits for it all the while.
      this.#shield.watch(x, repo);
      if (file === 0) await this.#gate.pass(x, repo);
      await this.#options.files.send(x, { repo, inside: path });
      return;
    }
    const found = await this.#deltas.superblock(repo, delta);
    const { body } = found.document;
    if (body !== undefined && isHasty(x)) {
      this.#shield.watch(x, repo);
      this.#shield.describe(x, repo, outlineIn(body));
    }
    this.#send(x, repo, path, found);
  };

  readonly deltaIndex: CachedOstreeHandler = async (x, repo, path) => {
    const to = asNotFound(() => parseDeltaIndexPath(path));
    this.#send(x, repo, path, await this.#deltas.index(repo, to));
  };

  readonly nothing: CachedOstreeHandler = (_x, repo, path) =>
    Promise.reject(new HttpError('not_found', `${repo} has no ${path.slice(0, 200)}`));

  async #document(x: Exchange, repo: RepoName, inside: string): Promise<void> {
    this.#send(x, repo, inside, await this.#options.documents.get(repo, inside));
  }

  #send(x: Exchange, repo: RepoName, inside: string, found: FoundDocument): void {
    const { body: bytes, modifiedMs, mediaType } = found.document;
    const { staleSeconds, why } = found;
    sendFound(
      x,
      { bytes, modifiedMs, mediaType, staleSeconds, why },
      `${inside} of ${repo}`,
      this.#options,
    );
  }
}
