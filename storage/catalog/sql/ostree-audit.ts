import { sql } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { OstreeObjectName } from '../../ostree/object-name.ts';
import type { ChunkRow } from '../layer-catalog.ts';
import type { OstreeAudit, OstreeRefTarget } from '../ostree-audit.ts';
import type { SqlContext } from './context.ts';
import { affectedByObject } from './ostree-affected.ts';

/** What the store's check asks about OSTree's rows. */
export class SqlOstreeAudit implements OstreeAudit {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async uneven(after: number | undefined, limit: number): ReturnType<OstreeAudit['uneven']> {
    const { db } = this.#context;
    const page = await db
      .selectFrom('ostree_objects')
      .select('id')
      .where('id', '>', after ?? 0)
      .where('size', 'is not', null)
      .orderBy('id')
      .limit(limit)
      .execute();
    const [first, last] = [page.at(0)?.id, page.at(-1)?.id];
    if (first === undefined || last === undefined) return { looked: 0, uneven: [] };
    // The chunks of an object, in order, each begin where those before it end, and end at its size.
    const { rows } = await sql<OstreeObjectName>`
      select o.checksum, o.kind from ostree_objects o
        left join (
          select object, raw_length,
            position - sum(raw_length) over (partition by object order by position) + raw_length as gap
          from ostree_object_chunks where object between ${first} and ${last}
        ) c on c.object = o.id
        where o.id between ${first} and ${last} and o.size is not null
        group by o.id
        having coalesce(sum(c.raw_length), 0) <> o.size or coalesce(max(abs(c.gap)), 0) <> 0`.execute(
      db,
    );
    return {
      looked: page.length,
      uneven: rows,
      ...(page.length === limit && { next: last }),
    };
  }

  async refs(
    after: Pick<OstreeRefTarget, 'repo' | 'ref'> | undefined,
    limit: number,
  ): Promise<readonly OstreeRefTarget[]> {
    let query = this.#context.db
      .selectFrom('ostree_refs')
      .select(['repo', 'ref', 'checksum'])
      .orderBy('repo')
      .orderBy('ref')
      .limit(limit);
    if (after !== undefined) {
      const { repo, ref } = after;
      query = query.where((eb) => eb(eb.refTuple('repo', 'ref'), '>', eb.tuple(repo, ref)));
    }
    return query.execute();
  }

  async chunks(after: ChunkRow | undefined, limit: number): Promise<readonly ChunkRow[]> {
    let query = this.#context.db
      .selectFrom('ostree_object_chunks')
      .select(['digest', 'pack', 'first_byte as offset', 'length', 'raw_length as rawLength'])
      .distinct()
      .orderBy('pack')
      .orderBy('first_byte')
      .orderBy('digest')
      .limit(limit);
    if (after !== undefined) {
      const { pack, offset, digest } = after;
      query = query.where((eb) =>
        eb(eb.refTuple('pack', 'first_byte', 'digest'), '>', eb.tuple(pack, offset, digest)),
      );
    }
    return query.execute();
  }

  async objectsAt(
    pack: Digest,
    offset: number,
    limit: number,
  ): Promise<readonly OstreeObjectName[]> {
    return this.#context.db
      .selectFrom('ostree_object_chunks as c')
      .innerJoin('ostree_objects as o', 'o.id', 'c.object')
      .select(['o.checksum', 'o.kind'])
      .distinct()
      .where('c.pack', '=', pack)
      .where('c.first_byte', '=', offset)
      .orderBy('o.checksum')
      .limit(limit)
      .execute();
  }

  async affected(name: OstreeObjectName, limit: number): Promise<readonly string[]> {
    return affectedByObject(this.#context.db, name, limit);
  }
}
