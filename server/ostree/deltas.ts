import {
  parseDeltaIndexPath,
  parseDeltaPath,
  type DeltaName,
} from '../../delta/ostree/checksum-base64.ts';
import { formatDeltaIndex } from '../../delta/ostree/delta-index.ts';
import { RETIRED_DELTA_MS } from '../../storage/gc/collect.ts';
import type { RepoName } from '../../storage/names.ts';
import { parseOstreeChecksum, type OstreeChecksum } from '../../storage/ostree/checksum.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendStored } from '../http/send-stored.ts';
import { asNotFound } from './not-found.ts';
import type { OstreeOptions } from './options.ts';
import { sendDocument } from './send-document.ts';
import type { ScanGate } from './scan-gate.ts';
import type { DeltaShield } from './shield.ts';
import { Superblocks } from './superblocks.ts';

/**
 * `deltas/..` and `delta-indexes/..`. All of them come from the rows that one transaction publishes, so
 * a client finds a delta whole or not at all. A retired delta leaves the index at once, but its files
 * stay for an hour: whoever has read the index may finish.
 */
export class OstreeDeltas {
  readonly #options: Pick<OstreeOptions, 'blobs' | 'catalog' | 'clock'>;
  readonly #superblocks: Superblocks;
  readonly #shield: DeltaShield;
  readonly #gate: ScanGate;

  constructor(
    options: Pick<OstreeOptions, 'blobs' | 'catalog' | 'clock'>,
    shield: DeltaShield,
    gate: ScanGate,
  ) {
    this.#options = options;
    this.#shield = shield;
    this.#gate = gate;
    this.#superblocks = new Superblocks(options.blobs);
  }

  /** A superblock, short-lived, since it holds the commit's signatures; or a part, immutable. */
  async file(x: Exchange, repo: RepoName, path: string): Promise<void> {
    const { blobs, catalog, clock } = this.#options;
    const { delta, file } = asNotFound(() => parseDeltaPath(path));
    const name = { repo, ...storedDelta(delta) };
    const stored = await catalog.ostreeDeltas.file(name, String(file), clock() - RETIRED_DELTA_MS);
    if (stored === undefined) throw absent(repo, path);
    this.#shield.watch(x, repo);
    if (file !== 'superblock') {
      // It holds the directories; others may go first, or the client has no room to begin its walk.
      if (file === 0) await this.#gate.pass(x, repo);
      if (!(await sendStored(x, blobs, { digest: stored.digest, size: stored.size })))
        throw absent(repo, path);
      return;
    }
    const commitmeta = await this.#commitmeta(repo, name.to);
    const { bytes, outline } = await this.#superblocks.get(stored.digest, commitmeta);
    this.#shield.describe(x, repo, outline);
    sendDocument(x, { bytes }, clock);
  }

  /** The digests of all superblocks that lead to a commit. */
  async index(x: Exchange, repo: RepoName, path: string): Promise<void> {
    const { catalog, clock } = this.#options;
    const to = parseOstreeChecksum(asNotFound(() => parseDeltaIndexPath(path)));
    const published = await catalog.ostreeDeltas.published(repo, to);
    if (published.length === 0) throw absent(repo, path);
    const commitmeta = await this.#commitmeta(repo, to);
    const listed = [];
    for (const { name, superblock } of published) {
      const digest = await this.#superblocks.digest(superblock, commitmeta);
      listed.push({ delta: { from: name.from, to }, superblock: digest });
    }
    sendDocument(x, { bytes: formatDeltaIndex(listed) }, clock);
  }

  async #commitmeta(repo: RepoName, commit: OstreeChecksum): Promise<Buffer | undefined> {
    return (await this.#options.catalog.ostree.commitmeta(repo, commit))?.bytes;
  }
}

function storedDelta({ from, to }: DeltaName): {
  readonly from: OstreeChecksum | undefined;
  readonly to: OstreeChecksum;
} {
  return { from: from && parseOstreeChecksum(from), to: parseOstreeChecksum(to) };
}

function absent(repo: RepoName, path: string): HttpError {
  return new HttpError('not_found', `${repo} has no ${path.slice(0, 200)}`);
}
