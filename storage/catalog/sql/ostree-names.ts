import type { Kysely, Transaction } from 'kysely';

import { StorageError } from '../../errors.ts';
import { formatObjectName, OSTREE_KINDS, type OstreeObjectName } from '../../ostree/object-name.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/** An object's number; `stored` is false while it is only named by a parent. */
export interface KnownObject {
  readonly id: number;
  readonly stored: boolean;
}

/** Those of the names that the catalog knows, stored or only named, by `formatObjectName`. */
export async function knownObjects(
  db: Kysely<Schema>,
  names: readonly OstreeObjectName[],
): Promise<ReadonlyMap<string, KnownObject>> {
  const known = new Map<string, KnownObject>();
  for (const kind of OSTREE_KINDS) {
    const checksums = names.filter((name) => name.kind === kind).map((name) => name.checksum);
    for (const batch of batches(checksums)) {
      const rows = await db
        .selectFrom('ostree_objects')
        .select(['id', 'checksum', 'size'])
        .where('kind', '=', kind)
        .where('checksum', 'in', batch)
        .execute();
      for (const { id, checksum, size } of rows) {
        known.set(formatObjectName({ checksum, kind }), { id, stored: size !== null });
      }
    }
  }
  return known;
}

/** The number of a name; throws for one that was not asked for. */
export type NumberOf = (name: OstreeObjectName) => number;

/** Numbers the names: those that have no number yet get one. */
export async function numberNames(
  tx: Transaction<Schema>,
  names: readonly OstreeObjectName[],
  nowMs: number,
): Promise<NumberOf> {
  const wanted = new Map(names.map((name) => [formatObjectName(name), name]));
  const numbers = new Map<string, number>();
  for (const [key, { id }] of await knownObjects(tx, [...wanted.values()])) {
    numbers.set(key, id);
    wanted.delete(key);
  }
  // In the order of their names, as objects are stored.
  const ordered = [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name);
  for (const batch of batches(ordered)) {
    const rows = batch.map(({ checksum, kind }) => ({
      ...{ checksum, kind },
      ...{ size: null, header: null, created_ms: nowMs, touched_ms: nowMs },
    }));
    const added = await tx
      .insertInto('ostree_objects')
      .values(rows)
      .returning(['id', 'checksum', 'kind'])
      .execute();
    for (const { id, ...name } of added) numbers.set(formatObjectName(name), id);
  }
  return (name) => {
    const key = formatObjectName(name);
    const number = numbers.get(key);
    if (number === undefined) throw new StorageError('missing', `${key} has no number`);
    return number;
  };
}
