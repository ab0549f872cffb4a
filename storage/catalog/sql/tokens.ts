import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type { TokenCatalog, TokenRow } from '../token-catalog.ts';
import type { SqlContext } from './context.ts';
import { parseStrings } from './json.ts';

interface StoredToken {
  readonly name: string;
  readonly grants: string;
  readonly created_ms: number;
  readonly expires_ms: number | null;
}

const COLUMNS = ['name', 'grants', 'created_ms', 'expires_ms'] as const;

/** Tokens by the digest of their secret. */
export class SqlTokens implements TokenCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async create(secret: Digest, token: Omit<TokenRow, 'createdMs'>): Promise<void> {
    const { db, clock } = this.#context;
    const { numInsertedOrUpdatedRows } = await db
      .insertInto('tokens')
      .values({
        name: token.name,
        secret_digest: secret,
        grants: JSON.stringify(token.grants),
        created_ms: clock(),
        expires_ms: token.expiresMs ?? null,
      })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 0n) {
      throw new StorageError(
        'conflict',
        `there is a token named ${JSON.stringify(token.name)}: revoke it or choose another name`,
      );
    }
  }

  async find(secret: Digest): Promise<TokenRow | undefined> {
    const row = await this.#context.db
      .selectFrom('tokens')
      .select(COLUMNS)
      .where('secret_digest', '=', secret)
      .executeTakeFirst();
    return row === undefined ? undefined : toRow(row);
  }

  async list(): Promise<readonly TokenRow[]> {
    const rows = await this.#context.db
      .selectFrom('tokens')
      .select(COLUMNS)
      .orderBy('name')
      .execute();
    return rows.map(toRow);
  }

  async revoke(name: string): Promise<boolean> {
    const { numDeletedRows } = await this.#context.db
      .deleteFrom('tokens')
      .where('name', '=', name)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }
}

function toRow(row: StoredToken): TokenRow {
  return {
    name: row.name,
    grants: parseStrings(row.grants),
    createdMs: row.created_ms,
    ...(row.expires_ms === null ? {} : { expiresMs: row.expires_ms }),
  };
}
