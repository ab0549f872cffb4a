import type { Transaction } from 'kysely';

import { StorageError } from '../../errors.ts';
import type { RepoName } from '../../names.ts';
import type { OstreeChecksum } from '../../ostree/checksum.ts';
import { formatObjectName } from '../../ostree/object-name.ts';
import type { OstreeRef } from '../../ostree/ref-name.ts';
import type { OstreeRefMove, OstreeRefRow } from '../ostree-catalog.ts';
import type { Schema } from '../schema.ts';
import type { SqlContext } from './context.ts';
import { closureGaps } from './ostree-closure.ts';

/** Names that a refused move tells. */
const TOLD_GAPS = 10;

/** Refs, and the log that moving them makes. */
export class SqlOstreeRefs {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async moveRef(
    repo: RepoName,
    ref: OstreeRef,
    to: OstreeChecksum,
    expected: OstreeChecksum | undefined | 'any',
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      const actual = await refAt(tx, repo, ref);
      if (actual === to) return;
      if (expected !== 'any' && expected !== actual) throw movedMeanwhile(ref, expected, actual);
      await expectWhole(tx, repo, ref, to);
      const nowMs = clock();
      await tx
        .insertInto('ostree_refs')
        .values({ repo, ref, checksum: to, updated_ms: nowMs })
        .onConflict((oc) =>
          oc.columns(['repo', 'ref']).doUpdateSet({ checksum: to, updated_ms: nowMs }),
        )
        .execute();
      await tx
        .insertInto('ostree_ref_log')
        .values({ repo, ref, checksum: to, parent: actual ?? null, moved_ms: nowMs })
        .execute();
    });
  }

  async deleteRef(repo: RepoName, ref: OstreeRef): Promise<boolean> {
    return this.#context.db.transaction().execute(async (tx) => {
      const { numDeletedRows } = await tx
        .deleteFrom('ostree_refs')
        .where('repo', '=', repo)
        .where('ref', '=', ref)
        .executeTakeFirst();
      await tx
        .deleteFrom('ostree_ref_log')
        .where('repo', '=', repo)
        .where('ref', '=', ref)
        .execute();
      return numDeletedRows > 0n;
    });
  }

  async resolveRef(repo: RepoName, ref: OstreeRef): Promise<OstreeChecksum | undefined> {
    return refAt(this.#context.db, repo, ref);
  }

  async refs(repo: RepoName, only?: OstreeRef): Promise<readonly OstreeRefRow[]> {
    let query = this.#context.db
      .selectFrom('ostree_refs as r')
      .innerJoin('ostree_objects as o', (join) =>
        join.onRef('o.checksum', '=', 'r.checksum').on('o.kind', '=', 'commit'),
      )
      .select(['r.ref', 'r.checksum', 'o.size', 'r.updated_ms as updatedMs'])
      .select((eb) =>
        eb
          .selectFrom('ostree_ref_log as g')
          .select((of) => of.fn.max('g.id').as('newest'))
          .whereRef('g.repo', '=', 'r.repo')
          .whereRef('g.ref', '=', 'r.ref')
          .as('moveId'),
      )
      .where('r.repo', '=', repo)
      .where('o.size', 'is not', null)
      .orderBy('r.ref');
    if (only !== undefined) query = query.where('r.ref', '=', only);
    return query.$narrowType<{ size: number; moveId: number }>().execute();
  }

  async refLog(repo: RepoName, ref: OstreeRef, limit: number): Promise<readonly OstreeRefMove[]> {
    const rows = await this.#context.db
      .selectFrom('ostree_ref_log as g')
      .innerJoin('ostree_objects as o', (join) =>
        join.onRef('o.checksum', '=', 'g.checksum').on('o.kind', '=', 'commit'),
      )
      .innerJoin('ostree_repo_objects as l', (join) =>
        join.onRef('l.repo', '=', 'g.repo').onRef('l.object', '=', 'o.id'),
      )
      .select(['g.id', 'g.checksum', 'g.parent', 'g.moved_ms'])
      .where('g.id', 'in', (eb) =>
        eb
          .selectFrom('ostree_ref_log as n')
          .select((of) => of.fn.max('n.id').as('newest'))
          .where('n.repo', '=', repo)
          .where('n.ref', '=', ref)
          .groupBy('n.checksum'),
      )
      .orderBy('g.id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(({ id, checksum, parent, moved_ms }) => ({
      id,
      checksum,
      ...(parent !== null && { previous: parent }),
      movedMs: moved_ms,
    }));
  }
}

async function refAt(
  db: SqlContext['db'],
  repo: RepoName,
  ref: OstreeRef,
): Promise<OstreeChecksum | undefined> {
  const row = await db
    .selectFrom('ostree_refs')
    .select('checksum')
    .where('repo', '=', repo)
    .where('ref', '=', ref)
    .executeTakeFirst();
  return row?.checksum;
}

async function expectWhole(
  tx: Transaction<Schema>,
  repo: RepoName,
  ref: OstreeRef,
  commit: OstreeChecksum,
): Promise<void> {
  const missing = await closureGaps(tx, repo, commit, TOLD_GAPS);
  if (missing.length === 0) return;
  throw new StorageError(
    'missing',
    `${ref} can't move to ${commit}: the repository lacks ${missing.map(formatObjectName).join(', ')}${missing.length < TOLD_GAPS ? '' : ' and perhaps more'}; push them first`,
    { detail: { ref, commit, missing } },
  );
}

function movedMeanwhile(
  ref: OstreeRef,
  expected: OstreeChecksum | undefined,
  actual: OstreeChecksum | undefined,
): StorageError {
  return new StorageError(
    'conflict',
    `${ref} is ${actual === undefined ? 'not there' : `at ${actual}`}, expected ${expected ?? 'none'}: look at what it is now`,
    { detail: { ref, expected, actual } },
  );
}
