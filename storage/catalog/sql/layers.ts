import { sql, type Kysely, type Selectable } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type {
  ChunkedLayer,
  ChunkRow,
  LayerCatalog,
  LayerRow,
  LayerState,
  Lease,
} from '../layer-catalog.ts';
import type { Schema } from '../schema.ts';
import { nameStored } from './condemned.ts';
import { batches, unlessBeingClaimed, type SqlContext } from './context.ts';
import { addChunks, addLayerPacks, addPack, firstUnknownPack } from './layer-chunks.ts';
import { claimed, expectHeld, UNCLAIMED, isOver } from './leases.ts';

/** Pushed layers on their way to being chunked, and where every chunk lies. */
export class SqlLayers implements LayerCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async ensure(digest: Digest, mediaType: string): Promise<void> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    await db
      .insertInto('layers')
      .values({
        digest,
        media_type: mediaType,
        state: 'pending',
        created_ms: nowMs,
        updated_ms: nowMs,
      })
      .onConflict((oc) => oc.column('digest').doNothing())
      .execute();
  }

  async get(digest: Digest): Promise<LayerRow | undefined> {
    const row = await this.#context.db
      .selectFrom('layers')
      .selectAll()
      .where('digest', '=', digest)
      .executeTakeFirst();
    return row && toLayer(row);
  }

  async byDiffId(diffId: Digest): Promise<LayerRow | undefined> {
    const row = await this.#context.db
      .selectFrom('layers')
      .selectAll()
      .where('diff_id', '=', diffId)
      .where('state', '=', 'chunked')
      .orderBy('digest')
      .limit(1)
      .executeTakeFirst();
    return row && toLayer(row);
  }

  async claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly layer: LayerRow; readonly lease: Lease } | undefined> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    const row = await db
      .updateTable('layers')
      .set({ state: 'chunking', updated_ms: nowMs, ...claimed(owner, nowMs + leaseMs) })
      .where('digest', '=', (eb) =>
        eb
          .selectFrom('layers as free')
          .select('free.digest')
          .where((is) =>
            is.or([
              is('free.state', '=', 'pending'),
              is('free.state', '=', 'chunking').and(isOver('free.lease_until_ms', nowMs, leaseMs)),
            ]),
          )
          .orderBy('free.updated_ms')
          .orderBy('free.digest')
          .limit(1)
          .modifyEnd(unlessBeingClaimed(this.#context)),
      )
      .returningAll()
      .executeTakeFirst();
    return row && { layer: toLayer(row), lease: { owner, fence: row.fence } };
  }

  async renew(digest: Digest, lease: Lease, leaseMs: number): Promise<void> {
    const { db, clock } = this.#context;
    await updateHeld(db, digest, lease, { lease_until_ms: clock() + leaseMs });
  }

  async finish(digest: Digest, lease: Lease, result: ChunkedLayer): Promise<void> {
    const { db, clock } = this.#context;
    const lost = await db.transaction().execute(async (tx) => {
      const nowMs = clock();
      const { index, pack } = result;
      await nameStored(tx, pack === undefined ? [index] : [index, pack], nowMs);
      const gone = await firstUnknownPack(tx, result);
      if (gone !== undefined) {
        await updateHeld(tx, digest, lease, { state: 'pending', updated_ms: nowMs, ...UNCLAIMED });
        return gone;
      }
      await updateHeld(tx, digest, lease, {
        state: 'chunked',
        diff_id: result.diffId,
        raw_size: result.rawSize,
        index_digest: index.digest,
        index_size: index.size,
        reason: null,
        updated_ms: nowMs,
        ...UNCLAIMED,
      });
      if (pack !== undefined) await addPack(tx, pack);
      await addChunks(tx, result);
      await addLayerPacks(tx, digest, result.packs);
      return undefined;
    });
    if (lost === undefined) return;
    throw new StorageError(
      'conflict',
      `layer ${digest} names the pack ${lost}, which was collected meanwhile: it is chunked anew`,
      { detail: { digest, pack: lost } },
    );
  }

  async refuse(digest: Digest, lease: Lease, reason: string): Promise<void> {
    const { db, clock } = this.#context;
    await updateHeld(db, digest, lease, {
      state: 'opaque',
      reason,
      updated_ms: clock(),
      ...UNCLAIMED,
    });
  }

  async release(digest: Digest, lease: Lease): Promise<void> {
    const { db, clock } = this.#context;
    await updateHeld(db, digest, lease, { state: 'pending', updated_ms: clock(), ...UNCLAIMED });
  }

  async findChunks(digests: readonly Digest[]): Promise<readonly ChunkRow[]> {
    const found: ChunkRow[] = [];
    for (const batch of batches(digests)) {
      const rows = await this.#context.db
        .selectFrom('chunks')
        .select(['digest', 'pack', 'first_byte as offset', 'length', 'raw_length as rawLength'])
        .where('digest', 'in', batch)
        .orderBy('digest')
        .orderBy('pack')
        .execute();
      found.push(...rows);
    }
    return found;
  }

  async counts(): Promise<Readonly<Record<LayerState, number>>> {
    const counts = { pending: 0, chunking: 0, chunked: 0, opaque: 0 };
    const rows = await this.#context.db
      .selectFrom('layers')
      .select(['state', sql<number>`count(*)`.as('rows')])
      .groupBy('state')
      .execute();
    for (const { state, rows: n } of rows) counts[state] = n;
    return counts;
  }
}

type LayerChange = Partial<Omit<Selectable<Schema['layers']>, 'digest' | 'fence'>>;

async function updateHeld(
  db: Kysely<Schema>,
  digest: Digest,
  lease: Lease,
  change: LayerChange,
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('layers')
    .set(change)
    .where('digest', '=', digest)
    .where('state', '=', 'chunking')
    .where('owner', '=', lease.owner)
    .where('fence', '=', lease.fence)
    .executeTakeFirst();
  expectHeld(numUpdatedRows, `layer ${digest}`, lease);
}

export function toLayer(row: Selectable<Schema['layers']>): LayerRow {
  const { diff_id, raw_size, index_digest, index_size, reason } = row;
  return {
    digest: row.digest,
    mediaType: row.media_type,
    state: row.state,
    ...(diff_id !== null && { diffId: diff_id }),
    ...(raw_size !== null && { rawSize: raw_size }),
    ...(index_digest !== null &&
      index_size !== null && { index: { digest: index_digest, size: index_size } }),
    ...(reason !== null && { reason }),
  };
}
