import type { Response } from 'express';

import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaState } from '../../storage/catalog/delta-catalog.ts';
import type { OstreeDeltaRow } from '../../storage/catalog/ostree-delta-catalog.ts';
import { parseRepoName } from '../../storage/names.ts';
import { parseOstreeChecksum } from '../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../storage/ostree/ref-name.ts';
import type { ApiRequest } from './api-request.ts';
import { DEFAULT_LIMIT, MAX_LIMIT, nextPage, optional, sendPage } from './list-page.ts';

/** `GET /v1/ostree/deltas`. */
export async function listStaticDeltas(
  { ostreeDeltas }: Pick<Catalog, 'ostreeDeltas'>,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const query = request.query('repo', 'ref', 'from', 'to', 'state', 'after', 'limit');
  const limit = query.count('limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
  const states = query.texts('state', 'DeltaState') as readonly DeltaState[];
  const rows = await ostreeDeltas.list({
    repo: optional(query, 'repo', 'RepoName', parseRepoName),
    ref: optional(query, 'ref', 'OstreeRefName', parseOstreeRef),
    from: optional(query, 'from', 'StaticDeltaBase', (text) =>
      text === 'scratch' ? text : parseOstreeChecksum(text),
    ),
    to: optional(query, 'to', 'OstreeChecksum', parseOstreeChecksum),
    states: states.length === 0 ? undefined : states,
    after: query.count('after', 0, Number.MAX_SAFE_INTEGER),
    limit: limit + 1,
  });
  const page = rows.slice(0, limit);
  const next =
    rows.length > limit ? nextPage(request, { after: page.at(-1)?.id.toString() }) : undefined;
  sendPage(res, next, { deltas: page.map(view) });
}

function view(row: OstreeDeltaRow) {
  const { result } = row;
  if (result === undefined) return { ...row, from: row.from ?? null };
  const size = result.superblockBytes + result.partBytes + result.fallbackBytes;
  const ratio = size / Math.max(1, result.fullBytes);
  return { ...row, from: row.from ?? null, result: { ...result, size, ratio } };
}
