import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';

import type { GcCutoff } from '../gc-catalog.ts';
import type { Schema } from '../schema.ts';

/** A blob pushed or mounted so lately that its manifest may be on its way. */
export function isRecentLink(
  eb: ExpressionBuilder<Schema, 'repo_blobs'>,
  cutoff: GcCutoff,
): Expression<SqlBool> {
  return eb('repo_blobs.linked_ms', '>', cutoff.unnamedBeforeMs);
}

/** True if a manifest of the link's own repository names the blob. */
export function isNamedLink(eb: ExpressionBuilder<Schema, 'repo_blobs'>): Expression<SqlBool> {
  return eb.exists(
    eb
      .selectFrom('manifest_children as c')
      .select('c.digest')
      .whereRef('c.digest', '=', 'repo_blobs.digest')
      .whereRef('c.repo', '=', 'repo_blobs.repo'),
  );
}

/** A layer is worth its row while a manifest names its blob, or it or its link is young. */
export function isLiveLayer(
  eb: ExpressionBuilder<Schema, 'layers'>,
  cutoff: GcCutoff,
): Expression<SqlBool> {
  return eb.or([
    eb('layers.created_ms', '>', cutoff.unnamedBeforeMs),
    eb.exists(
      eb
        .selectFrom('manifest_children as c')
        .select('c.digest')
        .whereRef('c.digest', '=', 'layers.digest'),
    ),
    eb.exists(
      eb
        .selectFrom('repo_blobs as b')
        .select('b.digest')
        .whereRef('b.digest', '=', 'layers.digest')
        .where('b.linked_ms', '>', cutoff.unnamedBeforeMs),
    ),
  ]);
}
