import { sql } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName } from '../../names.ts';
import type { OstreeObjectName } from '../../ostree/object-name.ts';
import type { ChunkedLayer, ChunkRow, LayerRow } from '../layer-catalog.ts';
import type { DanglingRow, MovedChunks, RepairCatalog, RepoManifest } from '../repair-catalog.ts';
import type { ManifestChild, ManifestRow } from '../repository-catalog.ts';
import { CONDEMNED, nameChildren, nameStored } from './condemned.ts';
import { batches, type SqlContext } from './context.ts';
import { addChunks, addLayerPacks, addPack } from './layer-chunks.ts';
import { toLayer } from './layers.ts';
import { UNCLAIMED } from './leases.ts';
import { findDangling, forgetObjects, removeDangling } from './references.ts';
import { manifestColumns, replaceChildren, toManifest } from './repositories.ts';
import { ensureAwaited } from './sparse.ts';

/** Tables that state a blob's size: the column of its digest, and that of its size. */
const SIZES = [
  ['manifests', 'digest', 'size'],
  ['repo_blobs', 'digest', 'size'],
  ['packs', 'digest', 'size'],
  ['layers', 'index_digest', 'index_size'],
  ['deltas', 'digest', 'size'],
  ['ostree_delta_files', 'digest', 'size'],
] as const;

/** What a repair of the store changes in rows. */
export class SqlRepair implements RepairCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async dangling(limit: number): Promise<readonly DanglingRow[]> {
    return findDangling(this.#context.db, limit);
  }

  async removeDangling(row: DanglingRow): Promise<void> {
    await this.#context.db.transaction().execute((tx) => removeDangling(tx, row));
  }

  async restorePack(digest: Digest, size: number): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      await nameStored(tx, [{ digest }], clock());
      await addPack(tx, { digest, size });
    });
  }

  async noteLost(digest: Digest, rememberUntilMs: number): Promise<void> {
    const lost = { until_ms: rememberUntilMs, removed: CONDEMNED.removed };
    await this.#context.db
      .insertInto('condemned')
      .values({ digest, ...lost })
      .onConflict((oc) => oc.column('digest').doUpdateSet(lost))
      .execute();
  }

  async noteBack(digest: Digest): Promise<void> {
    await this.#context.db
      .deleteFrom('condemned')
      .where('digest', '=', digest)
      .where('removed', '=', CONDEMNED.removed)
      .execute();
  }

  async correctSize(digest: Digest, size: number): Promise<void> {
    await this.#context.db.transaction().execute(async (tx) => {
      for (const [table, named, stated] of SIZES) {
        await sql`update ${sql.table(table)} set ${sql.ref(stated)} = ${size}
          where ${sql.ref(named)} = ${digest}`.execute(tx);
      }
    });
  }

  async rebuildDeltas(digest: Digest): Promise<number> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    const again = {
      ...{ state: 'pending' as const, attempts: 0, progress: 0, due_ms: nowMs },
      ...{ reason: null, updated_ms: nowMs, ...UNCLAIMED },
    };
    return db.transaction().execute(async (tx) => {
      const images = await tx
        .updateTable('deltas')
        .set({ ...again, digest: null, size: null })
        .where('digest', '=', digest)
        .where('state', '=', 'published')
        .executeTakeFirst();
      const commits = await tx
        .updateTable('ostree_deltas')
        .set(again)
        .where('state', '=', 'published')
        .where('id', 'in', (eb) =>
          eb.selectFrom('ostree_delta_files').select('delta').where('digest', '=', digest),
        )
        .returning('id')
        .execute();
      for (const { id } of commits) {
        await tx.deleteFrom('ostree_delta_files').where('delta', '=', id).execute();
      }
      return Number(images.numUpdatedRows) + commits.length;
    });
  }

  async layersOf(blob: Digest): Promise<readonly LayerRow[]> {
    const rows = await this.#context.db
      .selectFrom('layers')
      .selectAll()
      .where('state', '=', 'chunked')
      .where((eb) =>
        eb.or([
          eb('index_digest', '=', blob),
          eb('digest', 'in', eb.selectFrom('layer_packs').select('layer').where('pack', '=', blob)),
        ]),
      )
      .orderBy('digest')
      .execute();
    return rows.map(toLayer);
  }

  async chunkedLayers(after: Digest | undefined, limit: number): Promise<readonly LayerRow[]> {
    const rows = await this.#context.db
      .selectFrom('layers')
      .selectAll()
      .where('state', '=', 'chunked')
      .where('digest', '>', after ?? ('' as Digest))
      .orderBy('digest')
      .limit(limit)
      .execute();
    return rows.map(toLayer);
  }

  async manifests(
    after: RepoManifest | undefined,
    limit: number,
  ): Promise<readonly RepoManifest[]> {
    let query = this.#context.db
      .selectFrom('manifests')
      .selectAll()
      .orderBy('repo')
      .orderBy('digest')
      .limit(limit);
    if (after !== undefined) {
      const { repo, row } = after;
      query = query.where((eb) =>
        eb.or([
          eb('repo', '>', repo),
          eb.and([eb('repo', '=', repo), eb('digest', '>', row.digest)]),
        ]),
      );
    }
    return (await query.execute()).map((row) => ({ repo: row.repo, row: toManifest(row) }));
  }

  async correctManifest(
    repo: RepoName,
    row: ManifestRow,
    children: readonly ManifestChild[],
  ): Promise<void> {
    const { db, clock } = this.#context;
    const { digest } = row;
    await db.transaction().execute(async (tx) => {
      const nowMs = clock();
      const { numUpdatedRows } = await tx
        .updateTable('manifests')
        .set(manifestColumns(row))
        .where('repo', '=', repo)
        .where('digest', '=', digest)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return;
      const named = children.map((child) => child.digest);
      await nameChildren(tx, repo, named, nowMs);
      await replaceChildren(tx, repo, digest, children);
      await ensureAwaited(tx, repo, { parent: digest }, nowMs);
    });
  }

  async packsOfLayer(layer: Digest): Promise<readonly Digest[]> {
    const rows = await this.#context.db
      .selectFrom('layer_packs')
      .select('pack')
      .where('layer', '=', layer)
      .execute();
    return rows.map(({ pack }) => pack);
  }

  async rechunk(layers: readonly Digest[]): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      for (const batch of batches(layers)) {
        const pending = await tx
          .updateTable('layers')
          .set({
            ...{ state: 'pending', diff_id: null, raw_size: null },
            ...{ index_digest: null, index_size: null, updated_ms: clock(), ...UNCLAIMED },
          })
          .where('digest', 'in', batch)
          .where('state', '=', 'chunked')
          .returning('digest')
          .execute();
        for (const { digest } of pending) {
          await tx.deleteFrom('layer_packs').where('layer', '=', digest).execute();
        }
      }
    });
  }

  async relocate(layer: Digest, index: Pick<ChunkedLayer, 'newChunks' | 'packs'>): Promise<void> {
    await this.#context.db.transaction().execute(async (tx) => {
      await addLayerPacks(tx, layer, index.packs);
      for (const { digest, pack, offset, length, rawLength } of index.newChunks) {
        await tx
          .updateTable('chunks')
          .set({ first_byte: offset, length, raw_length: rawLength })
          .where('digest', '=', digest)
          .where('pack', '=', pack)
          .execute();
      }
      await addChunks(tx, index);
    });
  }

  async forgetPack(pack: Digest): Promise<boolean> {
    return this.#context.db.transaction().execute(async (tx) => {
      await tx.deleteFrom('chunks').where('pack', '=', pack).execute();
      const { numDeletedRows } = await tx
        .deleteFrom('packs')
        .where('digest', '=', pack)
        .where((eb) =>
          eb.not(eb.exists(eb.selectFrom('layer_packs').select('pack').where('pack', '=', pack))),
        )
        .where((eb) =>
          eb.not(
            eb.exists(
              eb.selectFrom('ostree_object_chunks').select('pack').where('pack', '=', pack),
            ),
          ),
        )
        .executeTakeFirst();
      return numDeletedRows > 0n;
    });
  }

  async ostreePlaces(pack: Digest): Promise<readonly ChunkRow[]> {
    return this.#context.db
      .selectFrom('ostree_object_chunks')
      .select(['digest', 'pack', 'first_byte as offset', 'length', 'raw_length as rawLength'])
      .distinct()
      .where('pack', '=', pack)
      .orderBy('offset')
      .orderBy('digest')
      .execute();
  }

  async otherPlaces(chunk: Digest, than: Digest): Promise<readonly ChunkRow[]> {
    return this.#context.db
      .selectFrom('chunks')
      .select(['digest', 'pack', 'first_byte as offset', 'length', 'raw_length as rawLength'])
      .where('digest', '=', chunk)
      .where('pack', '<>', than)
      .execute();
  }

  async moveChunks({ from, to, chunks }: MovedChunks): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      await nameStored(tx, [to], clock());
      await addPack(tx, to);
      await addChunks(tx, { newChunks: chunks });
      for (const { digest, pack, offset, length } of chunks) {
        await tx
          .updateTable('ostree_object_chunks')
          .set({ pack, first_byte: offset, length })
          .where('digest', '=', digest)
          .where('pack', '=', from)
          .execute();
      }
    });
  }

  async contentSize({ checksum, kind }: OstreeObjectName): Promise<number | undefined> {
    const row = await this.#context.db
      .selectFrom('ostree_objects')
      .select('size')
      .where('checksum', '=', checksum)
      .where('kind', '=', kind)
      .executeTakeFirst();
    return row?.size ?? undefined;
  }

  async forgetContent({ checksum, kind }: OstreeObjectName): Promise<void> {
    const named = sql`select id from ostree_objects where checksum = ${checksum} and kind = ${kind}`;
    await this.#context.db.transaction().execute((tx) => forgetObjects(tx, named));
  }
}
