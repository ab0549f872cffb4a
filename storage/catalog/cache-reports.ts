import { sql, type Kysely } from 'kysely';

import type { CacheSchema } from './cache-schema.ts';

/** A device's report as it came, for the origin. */
export interface QueuedReport {
  /** Ascends in the order of arrival. */
  readonly id: number;
  readonly decision: string;
  readonly device: string;
  /** Of the cache below that forwarded it. */
  readonly region?: string | undefined;
  /** The request's body, byte for byte. */
  readonly body: Buffer;
  readonly createdMs: number;
}

export interface QueueBounds {
  readonly count: number;
  readonly bytes: number;
}

/** Reports that wait for the origin, durable and bounded. */
export class ReportQueue {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  /** Appends a report; the oldest go when the bounds are passed. Returns how many went. */
  async append(report: Omit<QueuedReport, 'id'>, bounds: QueueBounds): Promise<number> {
    const { decision, device, region = null, body, createdMs } = report;
    return this.#db.transaction().execute(async (tx) => {
      await tx
        .insertInto('reports')
        .values({ decision, device, region, body, created_ms: createdMs })
        .execute();
      const dropped = await sql`delete from reports where id in (
          select id from (
            select id, row_number() over newest as position,
              sum(length(body)) over newest as bytes
            from reports window newest as (order by id desc)
          ) where position > ${bounds.count} or (bytes > ${bounds.bytes} and position > 1)
        )`.execute(tx);
      return Number(dropped.numAffectedRows ?? 0n);
    });
  }

  /** The report that came first. */
  async oldest(): Promise<QueuedReport | undefined> {
    const row = await this.#db
      .selectFrom('reports')
      .selectAll()
      .orderBy('id')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { id, decision, device, body } = row;
    const region = row.region ?? undefined;
    return { id, decision, device, region, body, createdMs: row.created_ms };
  }

  async delete(id: number): Promise<void> {
    await this.#db.deleteFrom('reports').where('id', '=', id).execute();
  }

  async count(): Promise<number> {
    const row = await this.#db
      .selectFrom('reports')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    return row.count;
  }
}
