import {
  deltaIndexPath,
  deltaPath,
  type DeltaName,
} from '../../../delta/ostree/checksum-base64.ts';
import { formatDeltaIndex, parseDeltaIndex } from '../../../delta/ostree/delta-index.ts';
import {
  formatDeltaList,
  STATIC_DELTAS_KEY,
  type ListedDelta,
} from '../../../delta/ostree/delta-list.ts';
import { DeltaError } from '../../../delta/errors.ts';
import type { Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { objectPath } from '../../../delta/ostree/objects/object-name.ts';
import { parseSuperblock } from '../../../delta/ostree/static-delta/parse-superblock.ts';
import { parseSummaryFacts } from '../../../delta/ostree/summary-facts.ts';
import { formatSummary, parseSummary } from '../../../delta/ostree/summary.ts';
import type { CachedOstreeDocument } from '../../../storage/catalog/cache-ostree-documents.ts';
import { digestOf } from '../../../storage/digest.ts';
import { isStorageError, StorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import { outlineOf, type DeltaOutline } from '../../ostree/delta-work.ts';
import { UpstreamError } from '../upstream-error.ts';
import type { FoundDocument, OstreeDocuments } from './documents.ts';
import type { OstreeFiles } from './files.ts';

/** A file that a client fetches for a delta. */
export interface DeltaFileFacts {
  readonly inside: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * The indexes and superblocks of static deltas. A new index is shown once the superblocks that are kept
 * here are those that it names (publish order: superblock, index). While the origin is gone a delta is one
 * that is here whole: a client takes what an index or a summary names, and fails when it does not come.
 * Without a delta it asks for the objects, so of a commit that is known here others are denied.
 */
export class CachedDeltas {
  readonly #documents: OstreeDocuments;
  readonly #files: OstreeFiles;

  constructor(documents: OstreeDocuments, files: OstreeFiles) {
    this.#documents = documents;
    this.#files = files;
  }

  /** Throws `unavailable` when the origin is gone and nothing of this is here, `UpstreamError`. */
  async index(repo: RepoName, to: Checksum): Promise<FoundDocument> {
    return this.#orNone(repo, to, async () => {
      const found = await this.#documents.get(repo, deltaIndexPath(to), (index) =>
        this.#renewSuperblocks(repo, index),
      );
      return found.staleSeconds === undefined ? found : this.#whatIsHere(repo, found);
    });
  }

  /** As {@link index}. */
  async superblock(repo: RepoName, delta: DeltaName): Promise<FoundDocument> {
    return this.#orNone(repo, delta.to, async () => {
      const found = await this.#documents.get(repo, deltaPath({ delta, file: 'superblock' }));
      const { document, staleSeconds } = found;
      if (staleSeconds === undefined || document.body === undefined) return found;
      const missing = await this.#missing(repo, delta, document.body);
      if (missing === undefined) return found;
      throw new StorageError('unavailable', `the origin is gone, and ${missing} is not here`);
    });
  }

  /** The deltas that lead to a commit, as the origin says now. Throws `unavailable`, `UpstreamError`. */
  async listed(repo: RepoName, to: Checksum): Promise<readonly DeltaName[]> {
    const { body } = fresh(await this.index(repo, to));
    return body === undefined ? [] : read(parseDeltaIndex, body).map(({ delta }) => delta);
  }

  /**
   * What a client fetches for a delta after its superblock, which is here then. Throws `unavailable`,
   * `missing`, `UpstreamError`.
   */
  async filesOf(repo: RepoName, delta: DeltaName): Promise<readonly DeltaFileFacts[]> {
    const path = deltaPath({ delta, file: 'superblock' });
    const { body } = fresh(await this.#documents.get(repo, path));
    if (body === undefined) throw new StorageError('missing', `${repo} has no ${path} any more`);
    return filesIn(delta, body);
  }

  /**
   * True of a delta that a client gets here without the origin: listed in an index, with superblock and
   * files. What can't be read is none.
   */
  async isWhole(repo: RepoName, { from, to }: DeltaName): Promise<boolean> {
    const index = await this.#documents.known(repo, deltaIndexPath(to));
    if (index?.body === undefined) return false;
    try {
      const entry = read(parseDeltaIndex, index.body).find(({ delta }) => delta.from === from);
      return entry !== undefined && (await this.#isHere(repo, entry));
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return false;
    }
  }

  /**
   * A summary that nobody signed, with those of its deltas that are here whole: for clients that know no
   * delta index. One that can't be read stays as it is.
   */
  async summaryOfWhatIsHere(repo: RepoName, bytes: Buffer): Promise<Buffer> {
    try {
      const { refs, metadata } = parseSummary(bytes);
      const { staticDeltas } = parseSummaryFacts(metadata);
      const here = await this.#whole(repo, staticDeltas);
      if (here.length === staticDeltas.length) return bytes;
      const others = metadata.filter(([key]) => key !== STATIC_DELTAS_KEY);
      const list = { type: 'a{sv}', value: formatDeltaList(here) };
      const kept = here.length === 0 ? others : [...others, [STATIC_DELTAS_KEY, list] as const];
      return formatSummary({ refs, metadata: kept });
    } catch (error) {
      if (!(error instanceof DeltaError)) throw error;
      return bytes;
    }
  }

  async #orNone(
    repo: RepoName,
    to: Checksum,
    find: () => Promise<FoundDocument>,
  ): Promise<FoundDocument> {
    try {
      return await find();
    } catch (error) {
      if (!isStorageError(error, 'unavailable')) throw error;
      if (!(await this.#isKnown(repo, to))) throw error;
      return { document: { body: undefined, checkedMs: 0 }, why: whyOf(error) };
    }
  }

  /** True of a commit that is here, and of one whose deltas the origin told of. */
  async #isKnown(repo: RepoName, to: Checksum): Promise<boolean> {
    const commit = objectPath({ kind: 'commit', checksum: to });
    if (await this.#files.areHere(repo, [commit])) return true;
    return (await this.#documents.known(repo, deltaIndexPath(to))) !== undefined;
  }

  async #renewSuperblocks(repo: RepoName, { body }: CachedOstreeDocument): Promise<void> {
    for (const { delta, superblock } of body === undefined ? [] : read(parseDeltaIndex, body)) {
      const path = deltaPath({ delta, file: 'superblock' });
      const known = await this.#documents.known(repo, path);
      if (known?.body === undefined || digestOf(known.body) === superblock) continue;
      const { staleSeconds } = await this.#documents.get(repo, path);
      if (staleSeconds === undefined) continue;
      throw new StorageError('unavailable', `${path} can't be renewed before its index`);
    }
  }

  async #whatIsHere(repo: RepoName, found: FoundDocument): Promise<FoundDocument> {
    const { body } = found.document;
    if (body === undefined) return found;
    const listed = await this.#whole(repo, read(parseDeltaIndex, body));
    const kept = listed.length === 0 ? undefined : formatDeltaIndex(listed);
    return { ...found, document: { ...found.document, body: kept } };
  }

  async #whole(repo: RepoName, listed: readonly ListedDelta[]): Promise<readonly ListedDelta[]> {
    const here: ListedDelta[] = [];
    for (const entry of listed) if (await this.#isHere(repo, entry)) here.push(entry);
    return here;
  }

  async #isHere(repo: RepoName, { delta, superblock }: ListedDelta): Promise<boolean> {
    const known = await this.#documents.known(repo, deltaPath({ delta, file: 'superblock' }));
    if (known?.body === undefined || digestOf(known.body) !== superblock) return false;
    return (await this.#missing(repo, delta, known.body)) === undefined;
  }

  /** The first file of the delta that is not here. */
  async #missing(
    repo: RepoName,
    delta: DeltaName,
    superblock: Buffer,
  ): Promise<string | undefined> {
    const insides = filesIn(delta, superblock).map(({ inside }) => inside);
    return this.#files.firstMissing(repo, insides);
  }
}

function filesIn(delta: DeltaName, superblock: Buffer): readonly DeltaFileFacts[] {
  const { parts, fallbacks } = read(parseSuperblock, superblock);
  return [
    ...parts.flatMap(({ inline, size }, file) =>
      inline === undefined ? [{ inside: deltaPath({ delta, file }), size }] : [],
    ),
    ...fallbacks.map((object) => ({ inside: objectPath(object), size: object.compressedBytes })),
  ];
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

/** What the origin says now; throws `unavailable` for what it said some time ago. */
function fresh({ document, staleSeconds }: FoundDocument): FoundDocument['document'] {
  if (staleSeconds === undefined) return document;
  throw new StorageError('unavailable', 'the origin is not to be had now');
}

/** What a superblock of the origin says of the client's work. */
export function outlineIn(superblock: Buffer): DeltaOutline {
  return outlineOf(read(parseSuperblock, superblock));
}

/** What the origin sent has to be readable. */
function read<T>(parse: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return parse(bytes);
  } catch (error) {
    if (!(error instanceof DeltaError)) throw error;
    throw new UpstreamError('refused', error.message, { status: 200 });
  }
}
