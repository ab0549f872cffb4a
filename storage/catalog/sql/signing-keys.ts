import type { SigningKey, SigningKeyCatalog } from '../signing-key-catalog.ts';
import type { SqlContext } from './context.ts';

/** The newest, and the one that it succeeded. */
const KEPT = 2;

/** Keys that sign registry tokens. */
export class SqlSigningKeys implements SigningKeyCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async list(): Promise<readonly SigningKey[]> {
    return this.#context.db
      .selectFrom('signing_keys')
      .select(['id', 'secret', 'created_ms as createdMs'])
      .orderBy('created_ms', 'desc')
      .orderBy('id')
      .execute();
  }

  async addUnlessFresh(
    { id, secret }: Omit<SigningKey, 'createdMs'>,
    freshSinceMs: number,
  ): Promise<boolean> {
    const { db, clock } = this.#context;
    const row = db
      .selectNoFrom((eb) => [
        eb.val(id).as('id'),
        eb.val(secret).as('secret'),
        eb.val(clock()).as('created_ms'),
      ])
      .where((eb) => {
        const fresh = eb.selectFrom('signing_keys').where('created_ms', '>=', freshSinceMs);
        return eb.not(eb.exists(fresh.select('id')));
      });
    // One statement: nobody comes between the look and the insertion.
    const { numInsertedOrUpdatedRows } = await db
      .insertInto('signing_keys')
      .columns(['id', 'secret', 'created_ms'])
      .expression(row)
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n) return false;
    await db
      .deleteFrom('signing_keys')
      .where('id', 'not in', (eb) =>
        eb.selectFrom('signing_keys').select('id').orderBy('created_ms', 'desc').limit(KEPT),
      )
      .execute();
    return true;
  }
}
