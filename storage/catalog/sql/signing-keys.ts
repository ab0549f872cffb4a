import type { Kysely } from 'kysely';

import type { Schema } from '../schema.ts';
import type { SigningKey, SigningKeyCatalog } from '../signing-key-catalog.ts';
import type { SqlContext } from './context.ts';

/** Keys that sign registry tokens. */
export class SqlSigningKeys implements SigningKeyCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async list(): Promise<readonly SigningKey[]> {
    return keys(this.#context.db);
  }

  async addUnlessFresh(key: Omit<SigningKey, 'createdMs'>, freshSinceMs: number): Promise<boolean> {
    const { db, clock } = this.#context;
    return db.transaction().execute(async (tx) => {
      const [newest] = await keys(tx);
      if (newest !== undefined && newest.createdMs >= freshSinceMs) return false;
      if (newest !== undefined) {
        await tx.deleteFrom('signing_keys').where('id', '!=', newest.id).execute();
      }
      await tx
        .insertInto('signing_keys')
        .values({ id: key.id, secret: key.secret, created_ms: clock() })
        .execute();
      return true;
    });
  }
}

function keys(db: Kysely<Schema>): Promise<SigningKey[]> {
  return db
    .selectFrom('signing_keys')
    .select(['id', 'secret', 'created_ms as createdMs'])
    .orderBy('created_ms', 'desc')
    .orderBy('id')
    .execute();
}
