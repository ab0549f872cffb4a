import { formatSummaryFacts } from '../../delta/ostree/summary-facts.ts';
import { refMetadata, type SummaryRef } from '../../delta/ostree/summary-refs.ts';
import { formatSummary } from '../../delta/ostree/summary.ts';
import { parseChecksum } from '../../delta/ostree/objects/checksum.ts';
import { parseCommit } from '../../delta/ostree/objects/commit.ts';
import { parseRefName } from '../../delta/ostree/ref-name.ts';
import { formatDeltaName, type ListedDelta } from '../../delta/ostree/delta-list.ts';
import type { OstreeRefRow } from '../../storage/catalog/ostree-catalog.ts';
import { StorageError } from '../../storage/errors.ts';
import type { RepoName } from '../../storage/names.ts';
import type { OstreeChecksum } from '../../storage/ostree/checksum.ts';
import type { OstreeOptions } from './options.ts';
import { readMetadataObject } from './read-object.ts';
import { signBytes } from './signing/sign-commit.ts';
import { SummaryDeltas } from './summary-deltas.ts';

/** A summary and its signatures, which belong together. */
export interface MadeSummary {
  readonly bytes: Buffer;
  /** A `summary.sig`; undefined where nobody signs. */
  readonly signatures: Buffer | undefined;
  /** Of the last move of a ref; undefined where the summary changes with deltas too. */
  readonly modifiedMs: number | undefined;
}

interface Kept {
  /** What the refs and the deltas were. */
  readonly key: string;
  readonly making: Promise<MadeSummary>;
}

/** Repositories whose summary is kept. */
const KEPT_SUMMARIES = 256;
/** Commits whose entry is kept: with one ref's move only that ref's commit is read. */
const KEPT_COMMITS = 8192;

/**
 * The summaries of repositories, each made once for as long as its refs stay where they are, and the
 * deltas that it lists, in whichever process they change. A summary's bytes come from the catalog alone:
 * its signatures may be asked for at another process.
 */
export class Summaries {
  readonly #place: Pick<OstreeOptions, 'blobs' | 'catalog' | 'policies'>;
  /** In the order in which they were made. */
  readonly #kept = new Map<RepoName, Kept>();
  readonly #deltas: SummaryDeltas;
  readonly #commits = new Map<OstreeChecksum, Pick<SummaryRef, 'commitBytes' | 'metadata'>>();

  constructor(place: Pick<OstreeOptions, 'blobs' | 'catalog' | 'policies'>) {
    this.#place = place;
    this.#deltas = new SummaryDeltas(place);
  }

  async get(repo: RepoName): Promise<MadeSummary> {
    const refs = await this.#place.catalog.ostree.refs(repo);
    const deltas = await this.#deltas.of(repo, refs);
    const key = [
      ...refs.map(({ ref, checksum, updatedMs }) => `${ref} ${checksum} ${updatedMs}`),
      ...deltas.map(({ delta, superblock }) => `${formatDeltaName(delta)} ${superblock}`),
    ].join();
    const kept = this.#kept.get(repo);
    if (kept?.key === key) return kept.making;
    const making = this.#make(repo, refs, deltas);
    const next = { key, making };
    this.#kept.delete(repo);
    this.#kept.set(repo, next);
    dropOldest(this.#kept, KEPT_SUMMARIES);
    making.catch(() => {
      if (this.#kept.get(repo) === next) this.#kept.delete(repo);
    });
    return making;
  }

  async #make(
    repo: RepoName,
    rows: readonly OstreeRefRow[],
    staticDeltas: readonly ListedDelta[],
  ): Promise<MadeSummary> {
    const refs: SummaryRef[] = [];
    for (const row of rows) refs.push(await this.#describe(repo, row));
    const movedMs = Math.max(0, ...rows.map(({ updatedMs }) => updatedMs));
    const bytes = formatSummary({
      refs,
      metadata: formatSummaryFacts({
        lastModified: BigInt(Math.floor(movedMs / 1000)),
        expires: undefined,
        collectionId: undefined,
        collectionMap: new Map(),
        staticDeltas,
      }),
    });
    const { signers } = this.#place.policies.of(repo);
    const signatures = signers.length === 0 ? undefined : await signBytes(signers, bytes);
    return { bytes, signatures, modifiedMs: staticDeltas.length === 0 ? movedMs : undefined };
  }

  async #describe(repo: RepoName, { ref, checksum }: OstreeRefRow): Promise<SummaryRef> {
    let facts = this.#commits.get(checksum);
    if (facts === undefined) {
      const bytes = await readMetadataObject(this.#place, repo, { kind: 'commit', checksum });
      if (bytes === undefined) {
        throw new StorageError('corrupt', `${repo} lacks the commit ${checksum} of its ref ${ref}`);
      }
      facts = { commitBytes: bytes.length, metadata: refMetadata(parseCommit(bytes)) };
      this.#commits.set(checksum, facts);
      dropOldest(this.#commits, KEPT_COMMITS);
    }
    return { ref: parseRefName(ref), commit: parseChecksum(checksum), ...facts };
  }
}

function dropOldest<K>(map: Map<K, unknown>, most: number): void {
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
