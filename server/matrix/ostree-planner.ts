import {
  ostreePairKey,
  wantedOstreePairs,
  type RefHistory,
} from '../../delta/ostree/matrix/wanted-pairs.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaState } from '../../storage/catalog/delta-catalog.ts';
import type { OstreeDeltaRow } from '../../storage/catalog/ostree-delta-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { RETIRED_DELTA_MS } from '../../storage/gc.ts';
import type { RepoName } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { OstreeRef } from '../../storage/ostree/ref-name.ts';
import type { MatrixConfig } from '../config.ts';

export interface OstreePlannerOptions {
  readonly catalog: Pick<Catalog, 'ostree' | 'ostreeDeltas'>;
  readonly matrix: Pick<MatrixConfig, 'releases'>;
  readonly clock: Clock;
}

const NOT_RETIRED: readonly DeltaState[] = [
  'pending',
  'building',
  'proving',
  'published',
  'rejected',
  'failed',
];
const PAGE = 1000;

/**
 * Brings the matrix of OSTree's static deltas to what policy wants, as `MatrixPlanner` does for images:
 * it only compares and writes rows.
 */
export class OstreePlanner {
  readonly #options: OstreePlannerOptions;

  constructor(options: OstreePlannerOptions) {
    this.#options = options;
  }

  /** Plans one ref, as after its move. Returns how many pairs were added. */
  async planRef(repo: RepoName, ref: OstreeRef): Promise<number> {
    return this.#ensure([await this.#history(repo, ref)]);
  }

  /** Plans every ref and retires what no ref wants any more. */
  async reconcile(
    options: IoOptions = {},
  ): Promise<{ readonly added: number; readonly retired: number }> {
    const { ostree, ostreeDeltas } = this.#options.catalog;
    // Listed first: a row that a push adds from now on is not judged by what was read before it.
    const rows = await this.#rows();
    const histories: RefHistory[] = [];
    for (const repo of await ostree.repos()) {
      for (const { ref } of await ostree.refs(repo)) {
        options.signal?.throwIfAborted();
        histories.push(await this.#history(repo, ref));
      }
    }
    const added = await this.#ensure(histories);
    const wanted = new Set(wantedOstreePairs(histories, this.#options.matrix).map(ostreePairKey));
    const unwanted = rows.filter((row) => !wanted.has(ostreePairKey(row)));
    if (unwanted.length > 0) await ostreeDeltas.retire(unwanted.map(({ id }) => id));
    return { added, retired: unwanted.length };
  }

  async #ensure(histories: readonly RefHistory[]): Promise<number> {
    const { catalog, matrix, clock } = this.#options;
    const pairs = wantedOstreePairs(histories, matrix);
    return catalog.ostreeDeltas.ensure(pairs, clock() - RETIRED_DELTA_MS);
  }

  async #history(repo: RepoName, ref: OstreeRef): Promise<RefHistory> {
    const { catalog, matrix } = this.#options;
    const moves = await catalog.ostree.refLog(repo, ref, matrix.releases + 1);
    return { repo, ref, commits: moves.map(({ checksum }) => checksum) };
  }

  async #rows(): Promise<readonly OstreeDeltaRow[]> {
    const rows: OstreeDeltaRow[] = [];
    for (;;) {
      const page = await this.#options.catalog.ostreeDeltas.list({
        states: NOT_RETIRED,
        after: rows.at(-1)?.id,
        limit: PAGE,
      });
      rows.push(...page);
      if (page.length < PAGE) return rows;
    }
  }
}
