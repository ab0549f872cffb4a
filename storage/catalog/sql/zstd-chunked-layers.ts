import type { Selectable } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type { RepoName } from '../../names.ts';
import type { Schema } from '../schema.ts';
import type { LayerFormRow } from '../zstd-chunked-catalog.ts';
import { nameStored } from './condemned.ts';
import type { SqlContext } from './context.ts';
import { parseAnnotations } from './json.ts';

/** The layers' half of `ZstdChunkedCatalog`. */
export class SqlLayerForms {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async layerForm(layer: Digest): Promise<LayerFormRow | undefined> {
    const row = await this.#current().where('f.layer', '=', layer).executeTakeFirst();
    return row && toForm(row);
  }

  async composite(digest: Digest): Promise<LayerFormRow | undefined> {
    const row = await this.#current()
      .where('f.digest', '=', digest)
      .orderBy('f.layer')
      .limit(1)
      .executeTakeFirst();
    return row && toForm(row);
  }

  async mayServe(repo: RepoName, composite: Digest): Promise<boolean> {
    const row = await this.#context.db
      .selectFrom('zstd_chunked_layers as f')
      .innerJoin('repo_blobs as b', 'b.digest', 'f.layer')
      .select('f.layer')
      .where('f.digest', '=', composite)
      .where('b.repo', '=', repo)
      .executeTakeFirst();
    return row !== undefined;
  }

  async composites(after: Digest | undefined, limit: number): Promise<readonly LayerFormRow[]> {
    let query = this.#current()
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('zstd_chunked_layers as o')
              .select('o.layer')
              .whereRef('o.digest', '=', 'f.digest')
              .whereRef('o.layer', '<', 'f.layer'),
          ),
        ),
      )
      .orderBy('f.digest')
      .limit(limit);
    if (after !== undefined) query = query.where('f.digest', '>', after);
    return (await query.execute()).map(toForm);
  }

  async putLayerForm(form: LayerFormRow): Promise<void> {
    const { db, clock } = this.#context;
    const { layer, index, digest, size, map, own } = form;
    await db.transaction().execute(async (tx) => {
      await nameStored(tx, [map, own], clock());
      const known = await tx
        .selectFrom('layers')
        .select('digest')
        .where('digest', '=', layer)
        .where('index_digest', '=', index)
        .executeTakeFirst();
      if (known === undefined) {
        throw new StorageError(
          'conflict',
          `layer ${layer} is gone or was chunked anew while its zstd:chunked form was made`,
        );
      }
      const facts = {
        index_digest: index,
        digest,
        size,
        map_digest: map.digest,
        map_size: map.size,
        own_digest: own.digest,
        own_size: own.size,
        annotations: JSON.stringify(form.annotations),
      };
      await tx
        .insertInto('zstd_chunked_layers')
        .values({ layer, ...facts })
        .onConflict((oc) => oc.column('layer').doUpdateSet(facts))
        .execute();
    });
  }

  /** Forms whose layer still has the index that they were made by. */
  #current() {
    return this.#context.db
      .selectFrom('zstd_chunked_layers as f')
      .innerJoin('layers as l', (join) =>
        join.onRef('l.digest', '=', 'f.layer').onRef('l.index_digest', '=', 'f.index_digest'),
      )
      .selectAll('f');
  }
}

function toForm(row: Selectable<Schema['zstd_chunked_layers']>): LayerFormRow {
  return {
    layer: row.layer,
    index: row.index_digest,
    digest: row.digest,
    size: row.size,
    map: { digest: row.map_digest, size: row.map_size },
    own: { digest: row.own_digest, size: row.own_size },
    annotations: parseAnnotations(row.annotations),
  };
}
