import {
  ostreePairKey,
  wantedOstreePairs,
  type RefHistory,
} from '../../delta/ostree/matrix/wanted-pairs.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { LiveCommit } from '../../storage/catalog/fleet-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { RETIRED_DELTA_MS } from '../../storage/gc/collect.ts';
import type { RepoName } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { OstreeRef } from '../../storage/ostree/ref-name.ts';
import type { MatrixConfig } from '../config.ts';
import { HeldCommits } from '../updates/ostree/held-commits.ts';
import { rowsNotRetired } from './wanted-rows.ts';

export interface OstreePlannerOptions {
  readonly catalog: Pick<Catalog, 'ostree' | 'ostreeDeltas' | 'fleet'>;
  readonly matrix: Pick<MatrixConfig, 'releases' | 'liveMs'>;
  readonly clock: Clock;
}

/**
 * Brings the matrix of OSTree's static deltas to what policy wants, as `MatrixPlanner` does for images:
 * it only compares and writes rows.
 */
export class OstreePlanner {
  readonly #options: OstreePlannerOptions;
  readonly #held: HeldCommits;

  constructor(options: OstreePlannerOptions) {
    this.#options = options;
    this.#held = new HeldCommits(options.catalog.ostree);
  }

  /** Plans one ref, as after its move. Returns how many pairs were added. */
  async planRef(repo: RepoName, ref: OstreeRef): Promise<number> {
    const history = await this.#history(repo, ref);
    return this.#ensure([history], await this.#live([history]));
  }

  /** Plans every ref and retires what no ref wants any more. */
  async reconcile(
    options: IoOptions = {},
  ): Promise<{ readonly added: number; readonly retired: number }> {
    const { ostree, ostreeDeltas } = this.#options.catalog;
    // Listed first: a row that a push or a check adds from now on is not judged by what was read before it.
    const rows = await rowsNotRetired(ostreeDeltas);
    const histories: RefHistory[] = [];
    for (const repo of await ostree.repos()) {
      for (const { ref } of await ostree.refs(repo)) {
        options.signal?.throwIfAborted();
        histories.push(await this.#history(repo, ref));
      }
    }
    const live = await this.#live(histories);
    const added = await this.#ensure(histories, live);
    const { matrix } = this.#options;
    const wanted = new Set(wantedOstreePairs(histories, live, matrix).map(ostreePairKey));
    const unwanted = rows.filter((row) => !wanted.has(ostreePairKey(row)));
    if (unwanted.length > 0) await ostreeDeltas.retire(unwanted.map(({ id }) => id));
    return { added, retired: unwanted.length };
  }

  async #ensure(histories: readonly RefHistory[], live: readonly LiveCommit[]): Promise<number> {
    const { catalog, matrix, clock } = this.#options;
    const pairs = wantedOstreePairs(histories, live, matrix);
    return catalog.ostreeDeltas.ensure(pairs, clock() - RETIRED_DELTA_MS);
  }

  async #history(repo: RepoName, ref: OstreeRef): Promise<RefHistory> {
    const { catalog, matrix } = this.#options;
    const moves = await catalog.ostree.refLog(repo, ref, matrix.releases + 1);
    return { repo, ref, commits: moves.map(({ checksum }) => checksum) };
  }

  /** Commits that devices run, of the refs at hand and held by the repository. */
  async #live(histories: readonly RefHistory[]): Promise<readonly LiveCommit[]> {
    const { catalog, matrix, clock } = this.#options;
    if (matrix.liveMs <= 0) return [];
    const refs = new Set(histories.map(({ repo, ref }) => `${repo} ${ref}`));
    const live: LiveCommit[] = [];
    for (const version of await catalog.fleet.liveCommits(clock() - matrix.liveMs)) {
      const { product, channel, current } = version;
      if (!refs.has(`${product} ${channel}`)) continue;
      if (await this.#held.has(product, current)) live.push(version);
    }
    return live;
  }
}
