import type { Kysely } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type { RepoName } from '../../names.ts';
import type { ByteRange } from '../../object-store.ts';
import type { OstreeChecksum } from '../../ostree/checksum.ts';
import { formatObjectName, type OstreeObjectName } from '../../ostree/object-name.ts';
import type {
  OstreeBatch,
  OstreeCatalog,
  OstreeChunkRow,
  OstreeCommitmeta,
  OstreeObjectRow,
} from '../ostree-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches, type SqlContext } from './context.ts';
import { closureGaps, closurePage } from './ostree-closure.ts';
import { commitmetaOf, replaceCommitmeta } from './ostree-commitmeta.ts';
import { knownObjects } from './ostree-names.ts';
import { addBatch } from './ostree-objects.ts';
import { SqlOstreeRefs } from './ostree-refs.ts';

/** OSTree objects and which repository has them; refs come from {@link SqlOstreeRefs}. */
export class SqlOstree extends SqlOstreeRefs implements OstreeCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    super(context);
    this.#context = context;
  }

  async missing(
    repo: RepoName,
    names: readonly OstreeObjectName[],
  ): Promise<readonly OstreeObjectName[]> {
    const { db, clock } = this.#context;
    return db.transaction().execute(async (tx) => {
      const known = await knownObjects(tx, names);
      const linked = new Set<number>();
      for (const batch of batches([...known.values()])) {
        const rows = await tx
          .updateTable('ostree_repo_objects')
          .set({ linked_ms: clock() })
          .where('repo', '=', repo)
          .where(
            'object',
            'in',
            batch.map(({ id }) => id),
          )
          .returning('object')
          .execute();
        for (const { object } of rows) linked.add(object);
      }
      return names.filter((name) => {
        const id = known.get(formatObjectName(name))?.id;
        return id === undefined || !linked.has(id);
      });
    });
  }

  async addObjects(repo: RepoName, batch: OstreeBatch): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute((tx) => addBatch(tx, repo, batch, clock()));
  }

  async object(repo: RepoName, name: OstreeObjectName): Promise<OstreeObjectRow | undefined> {
    const row = await linkedObject(this.#context.db, repo, name);
    return row && { size: row.size, ...(row.header !== null && { header: row.header }) };
  }

  async chunksOf(name: OstreeObjectName, range?: ByteRange): Promise<readonly OstreeChunkRow[]> {
    let query = this.#context.db
      .selectFrom('ostree_objects as o')
      .innerJoin('ostree_object_chunks as c', 'c.object', 'o.id')
      .select(['c.digest', 'c.pack', 'c.length', 'c.position as start'])
      .select(['c.first_byte as offset', 'c.raw_length as rawLength'])
      .where('o.checksum', '=', name.checksum)
      .where('o.kind', '=', name.kind)
      .orderBy('c.position');
    if (range !== undefined) {
      query = query.where('c.position', '<', range.endExclusive).where((eb) =>
        eb(
          'c.position',
          '>=',
          eb
            .selectFrom('ostree_object_chunks as f')
            .select((of) => of.fn.max('f.position').as('first'))
            .whereRef('f.object', '=', 'o.id')
            .where('f.position', '<=', range.start),
        ),
      );
    }
    return query.execute();
  }

  async packsOf(
    names: readonly OstreeObjectName[],
  ): Promise<ReadonlyMap<Digest, readonly OstreeObjectName[]>> {
    const { db } = this.#context;
    const packs = new Map<Digest, OstreeObjectName[]>();
    const known = await knownObjects(db, names);
    for (const batch of batches([...known.values()].map(({ id }) => id))) {
      const rows = await db
        .selectFrom('ostree_object_chunks as c')
        .innerJoin('ostree_objects as o', 'o.id', 'c.object')
        .select(['c.pack', 'o.checksum', 'o.kind'])
        .distinct()
        .where('c.object', 'in', batch)
        .execute();
      for (const { pack, ...name } of rows) {
        const objects = packs.get(pack);
        if (objects === undefined) packs.set(pack, [name]);
        else objects.push(name);
      }
    }
    return packs;
  }

  async closureGaps(
    repo: RepoName,
    commit: OstreeChecksum,
    limit: number,
  ): Promise<readonly OstreeObjectName[]> {
    return closureGaps(this.#context.db, repo, commit, limit);
  }

  async closure(
    repo: RepoName,
    commit: OstreeChecksum,
    page: Parameters<OstreeCatalog['closure']>[2],
  ): ReturnType<OstreeCatalog['closure']> {
    return closurePage(this.#context.db, repo, commit, page);
  }

  async repos(): Promise<readonly RepoName[]> {
    const rows = await this.#context.db
      .selectFrom('ostree_repos')
      .select('name')
      .orderBy('name')
      .execute();
    return rows.map((row) => row.name);
  }

  async commitmeta(repo: RepoName, commit: OstreeChecksum): Promise<OstreeCommitmeta | undefined> {
    return commitmetaOf(this.#context.db, repo, commit);
  }

  async putCommitmeta(
    repo: RepoName,
    commit: OstreeChecksum,
    bytes: Uint8Array,
    expected: Uint8Array | undefined | 'any',
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      if ((await linkedObject(tx, repo, { checksum: commit, kind: 'commit' })) === undefined) {
        throw new StorageError('missing', `${repo} has no commit ${commit}: push it first`);
      }
      await replaceCommitmeta(tx, { repo, commit, bytes, expected }, clock());
    });
  }
}

async function linkedObject(db: Kysely<Schema>, repo: RepoName, name: OstreeObjectName) {
  return db
    .selectFrom('ostree_objects as o')
    .innerJoin('ostree_repo_objects as l', 'l.object', 'o.id')
    .select(['o.size', 'o.header'])
    .where('o.checksum', '=', name.checksum)
    .where('o.kind', '=', name.kind)
    .where('l.repo', '=', repo)
    .where('o.size', 'is not', null)
    .$narrowType<{ size: number }>()
    .executeTakeFirst();
}
