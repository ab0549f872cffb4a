import { sql, type Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type { RepoName } from '../../names.ts';
import { formatObjectName } from '../../ostree/object-name.ts';
import type { OstreeBatch, OstreeObjectRecord } from '../ostree-catalog.ts';
import type { Schema } from '../schema.ts';
import { nameStored } from './condemned.ts';
import { batches } from './context.ts';
import { addChunks, addPack, firstUnknownPack } from './layer-chunks.ts';
import { knownObjects, numberNames } from './ostree-names.ts';

type Records = ReadonlyMap<number, OstreeObjectRecord>;

/** `OstreeCatalog.addObjects` within its transaction. */
export async function addBatch(
  tx: Transaction<Schema>,
  repo: RepoName,
  batch: OstreeBatch,
  nowMs: number,
): Promise<void> {
  const own = batch.pack?.digest;
  const lost = batch.lostPacks.filter((pack) => pack !== own);
  await addPacks(tx, batch, nowMs);
  await addChunks(tx, batch);
  const { all, fresh } = await storeObjects(tx, batch.objects, nowMs);
  await addChunkRows(tx, fresh);
  await addChunkRows(tx, await dropLostRows(tx, all, lost));
  await addEdges(tx, fresh, nowMs);
  await linkObjects(tx, repo, [...all.keys()], nowMs);
}

async function addPacks(tx: Transaction<Schema>, batch: OstreeBatch, nowMs: number): Promise<void> {
  const { pack, objects } = batch;
  const packs = [...new Set(objects.flatMap(({ chunks }) => chunks.map((chunk) => chunk.pack)))];
  if (pack !== undefined) {
    await nameStored(tx, [pack], nowMs);
    await addPack(tx, pack);
  }
  const gone = await firstUnknownPack(tx, { pack, packs });
  if (gone === undefined) return;
  throw new StorageError(
    'conflict',
    `the pack ${gone}, in which chunks of pushed objects lie, was collected meanwhile: push them again`,
    { detail: { pack: gone }, retryable: true },
  );
}

/**
 * Numbers the objects; those that were not stored before are `fresh`. In the order of their names: of two
 * that store the same ones at once one waits, and not each for the other.
 */
async function storeObjects(
  tx: Transaction<Schema>,
  objects: readonly OstreeObjectRecord[],
  nowMs: number,
): Promise<{ readonly all: Records; readonly fresh: Records }> {
  const byName = new Map(objects.map((record) => [formatObjectName(record.name), record]));
  const known = await knownObjects(
    tx,
    objects.map((record) => record.name),
  );
  const all = new Map<number, OstreeObjectRecord>();
  const fresh = new Map<number, OstreeObjectRecord>();
  const ordered = [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
  for (const part of batches(ordered)) {
    const rows = part.map(({ name: { checksum, kind }, size, header }) => ({
      ...{ checksum, kind, size, created_ms: nowMs, touched_ms: nowMs },
      header: header === undefined ? null : Buffer.from(header),
    }));
    const stored = await tx
      .insertInto('ostree_objects')
      .values(rows)
      .onConflict((oc) =>
        oc.columns(['checksum', 'kind']).doUpdateSet({
          size: sql`coalesce(ostree_objects.size, excluded.size)`,
          header: sql`case when ostree_objects.size is null then excluded.header else ostree_objects.header end`,
          touched_ms: nowMs,
        }),
      )
      .returning(['id', 'checksum', 'kind'])
      .execute();
    for (const { id, ...name } of stored) {
      const key = formatObjectName(name);
      const record = byName.get(key);
      if (record === undefined) continue;
      all.set(id, record);
      if (known.get(key)?.stored !== true) fresh.set(id, record);
    }
  }
  return { all, fresh };
}

/** Forgets where contents lie of which a chunk was in a lost pack; returns those objects. */
async function dropLostRows(
  tx: Transaction<Schema>,
  all: Records,
  lost: readonly Digest[],
): Promise<Records> {
  const found = new Map<number, OstreeObjectRecord>();
  if (lost.length === 0) return found;
  for (const [id, record] of all) {
    const row = await tx
      .selectFrom('ostree_object_chunks')
      .select('object')
      .where('object', '=', id)
      .where('pack', 'in', lost)
      .executeTakeFirst();
    if (row === undefined) continue;
    await tx.deleteFrom('ostree_object_chunks').where('object', '=', id).execute();
    found.set(id, record);
  }
  return found;
}

async function addChunkRows(tx: Transaction<Schema>, records: Records): Promise<void> {
  const rows = [...records].flatMap(([object, { chunks }]) => {
    let position = 0;
    return chunks.map((chunk) => {
      const { digest, pack, offset: first_byte, length, rawLength: raw_length } = chunk;
      const row = { object, position, digest, pack, first_byte, length, raw_length };
      position += raw_length;
      return row;
    });
  });
  for (const part of batches(rows)) {
    await tx.insertInto('ostree_object_chunks').values(part).execute();
  }
}

async function addEdges(tx: Transaction<Schema>, fresh: Records, nowMs: number): Promise<void> {
  const named = [...fresh.values()].flatMap(({ children }) => children);
  const numberOf = await numberNames(tx, named, nowMs);
  const rows = [...fresh].flatMap(([parent, { children }]) =>
    children.map((child) => ({
      parent,
      child: numberOf(child),
      history: child.history === true ? (1 as const) : (0 as const),
    })),
  );
  for (const part of batches(rows)) {
    await tx
      .insertInto('ostree_edges')
      .values(part)
      .onConflict((oc) => oc.doNothing())
      .execute();
  }
}

async function linkObjects(
  tx: Transaction<Schema>,
  repo: RepoName,
  objects: readonly number[],
  nowMs: number,
): Promise<void> {
  await tx
    .insertInto('ostree_repos')
    .values({ name: repo, created_ms: nowMs })
    .onConflict((oc) => oc.doNothing())
    .execute();
  for (const part of batches(objects)) {
    await tx
      .insertInto('ostree_repo_objects')
      .values(part.map((object) => ({ repo, object, linked_ms: nowMs })))
      .onConflict((oc) => oc.columns(['repo', 'object']).doUpdateSet({ linked_ms: nowMs }))
      .execute();
  }
}
