import type { OstreeFacts } from '../../../delta/agent/ostree-protocol.ts';
import type { DeltaName } from '../../../delta/ostree/checksum-base64.ts';
import { objectPath } from '../../../delta/ostree/objects/object-name.ts';
import type { LiveCommit } from '../../../storage/catalog/cache-live-commits.ts';
import { digestFromBytes, type Digest } from '../../../storage/digest.ts';
import { StorageError } from '../../../storage/errors.ts';
import { parseRepoName, type RepoName } from '../../../storage/names.ts';
import { ostreeChecksumBytes, type OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { matchesPattern } from '../../auth/name-pattern.ts';
import type { MirrorRule } from '../../config.ts';
import type { CachedDeltas } from '../ostree/cached-deltas.ts';
import type { OstreeDocuments } from '../ostree/documents.ts';
import type { OstreeFiles } from '../ostree/files.ts';
import type { SummaryPairs } from '../ostree/summary-pairs.ts';
import type { MirrorItem } from './item.ts';

export interface OstreeAheadOptions {
  readonly files: OstreeFiles;
  readonly documents: OstreeDocuments;
  readonly summaries: SummaryPairs;
  readonly deltas: CachedDeltas;
  readonly admit: (bytes: number, signal: AbortSignal) => Promise<boolean>;
  readonly pieceBytes: number;
}

/** A ref, and the commits from which devices come to where it is. */
interface WantedRef {
  readonly repo: RepoName;
  readonly ref: string;
  readonly commit: OstreeChecksum;
  /** Undefined among them: from scratch. */
  readonly froms: readonly (OstreeChecksum | undefined)[];
  /** Of the deltas' superblocks. */
  readonly superblockBytes: number;
}

/** What was fetched of a ref. */
interface FetchedRef {
  /** Of what was wanted of it. */
  readonly key: string;
  /** Files that never change. */
  readonly insides: readonly string[];
  readonly pins: readonly Digest[];
}

/**
 * What the policy wants of OSTree: of each ref the summary and other small files that a pull begins with,
 * the commit, and the static deltas from the commits that devices of the region run.
 */
export class OstreeAhead {
  readonly #options: OstreeAheadOptions;
  readonly #fetched = new Map<string, FetchedRef>();

  constructor(options: OstreeAheadOptions) {
    this.#options = options;
  }

  async items(
    refs: readonly OstreeFacts[],
    live: readonly LiveCommit[],
    rules: readonly MirrorRule[],
  ): Promise<readonly MirrorItem[]> {
    const items: MirrorItem[] = [];
    for (const facts of refs) {
      const { product, channel, commit, steps } = facts;
      const froms = fromsOf(facts, live, rules);
      if (froms === undefined) continue;
      const repo = parseRepoName(product);
      const deltas = steps.filter(({ from, delta }) => delta && froms.includes(from));
      const name = `${product} ${channel}`;
      const key = JSON.stringify([commit, deltas]);
      const fetched = this.#fetched.get(name);
      const known = fetched?.key === key ? fetched : undefined;
      const here = known !== undefined && (await this.#options.files.areHere(repo, known.insides));
      const superblockBytes = sum(deltas.map(({ delta }) => delta?.superblockBytes ?? 0));
      const wanted = { repo, ref: channel, commit, froms, superblockBytes };
      items.push({
        kind: 'ostree',
        name,
        bytes: sum(deltas.map(({ delta }) => bytesOf(delta))),
        here,
        pins: known?.pins ?? [],
        fetch: (signal) => this.#fetch({ name, key }, wanted, signal),
      });
    }
    return items;
  }

  async #fetch(
    { name, key }: { readonly name: string; readonly key: string },
    wanted: WantedRef,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { admit: allow, pieceBytes } = this.#options;
    const options = { admit: (bytes: number) => allow(bytes, signal), signal, pieceBytes };
    if (!(await options.admit(wanted.superblockBytes))) return false;
    await this.#fetchSmall(wanted);
    const { repo, commit } = wanted;
    const insides: string[] = [];
    const pins: Digest[] = [];
    const object = objectPath({ kind: 'commit', checksum: commit });
    const digest = digestFromBytes(ostreeChecksumBytes(commit));
    const files: Parameters<OstreeFiles['keep']>[0][] = [{ repo, inside: object, digest }];
    for (const delta of await this.#deltasOf(wanted)) {
      files.push(...(await this.#filesOf(repo, delta)));
    }
    for (const file of files) {
      const kept = await this.#options.files.keep(file, options);
      if (kept === undefined) return false;
      insides.push(file.inside);
      if (kept.body === undefined) pins.push(kept.digest);
    }
    this.#fetched.set(name, { key, insides, pins });
    return true;
  }

  /** What a pull asks for first. */
  async #fetchSmall({ repo, ref, commit }: WantedRef): Promise<void> {
    const { summaries, documents } = this.#options;
    fresh(await summaries.get(repo));
    const meta = `objects/${commit.slice(0, 2)}/${commit.slice(2)}.commitmeta`;
    for (const inside of ['config', `refs/heads/${ref}`, meta]) {
      fresh(await documents.get(repo, inside));
    }
  }

  async #deltasOf({ repo, commit, froms }: WantedRef): Promise<readonly DeltaName[]> {
    const listed = await this.#options.deltas.listed(repo, commit);
    return listed.filter(({ from }) => froms.includes(from));
  }

  /** The superblock is here afterwards; what it names is told. */
  async #filesOf(
    repo: RepoName,
    delta: DeltaName,
  ): Promise<readonly Parameters<OstreeFiles['keep']>[0][]> {
    const named = await this.#options.deltas.filesOf(repo, delta);
    return named.map(({ inside, size }) => ({ repo, inside, size }));
  }
}

/** Undefined: the policy does not name the ref. */
function fromsOf(
  { product, channel, commit }: OstreeFacts,
  live: readonly LiveCommit[],
  rules: readonly MirrorRule[],
): readonly (OstreeChecksum | undefined)[] | undefined {
  const named = rules.filter(
    ({ what, repositories, tags }) =>
      what.includes('ostree') &&
      matchesPattern(repositories, product) &&
      matchesPattern(tags, channel),
  );
  if (named.length === 0) return undefined;
  const froms = new Set<OstreeChecksum | undefined>();
  if (named.some(({ fromScratch }) => fromScratch)) froms.add(undefined);
  for (const { repo, ref, checksum } of live) {
    if (repo === product && ref === channel && checksum !== commit) froms.add(checksum);
  }
  return [...froms];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function bytesOf(delta: OstreeFacts['steps'][number]['delta']): number {
  return delta === undefined ? 0 : delta.superblockBytes + delta.partBytes + delta.fallbackBytes;
}

/** Throws `unavailable` for what could not be asked for now. */
function fresh<T extends { readonly staleSeconds?: number | undefined }>(found: T): T {
  if (found.staleSeconds === undefined) return found;
  throw new StorageError('unavailable', 'the origin is not to be had now');
}
