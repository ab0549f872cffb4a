import type { Response } from 'express';

import type { ReleasesResponse } from '../../delta/agent/protocol.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaRow, DeltaState } from '../../storage/catalog/delta-catalog.ts';
import type { DeviceKind, DeviceRow, UpdateCost } from '../../storage/catalog/fleet-catalog.ts';
import type { Release } from '../../storage/catalog/repository-catalog.ts';
import { digestOf, parseDigest } from '../../storage/digest.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import { checkConditions } from '../http/conditions.ts';
import type { ApiRequest } from './api-request.ts';
import type { ReleaseFactsReader } from './facts.ts';
import type { OstreeFactsReader } from './ostree/facts.ts';
import { ostreeReleases } from './ostree/releases.ts';
import { DEFAULT_LIMIT, MAX_LIMIT, nextPage, optional, sendPage } from './list-page.ts';

export interface MatrixHandlersOptions {
  readonly catalog: Catalog;
  readonly facts: ReleaseFactsReader;
  readonly ostree: OstreeFactsReader;
}

const MAX_HEADS = 1000;

/** `GET /v1/deltas`. */
export async function listDeltas(
  { catalog }: MatrixHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const query = request.query('repo', 'tag', 'platform', 'from', 'to', 'state', 'after', 'limit');
  const limit = query.count('limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
  const states = query.texts('state', 'DeltaState') as readonly DeltaState[];
  const rows = await catalog.deltas.list({
    repo: optional(query, 'repo', 'RepoName', parseRepoName),
    tag: optional(query, 'tag', 'Tag', parseTag),
    platform: query.text('platform', 'PlatformName'),
    from: optional(query, 'from', 'Digest', parseDigest),
    to: optional(query, 'to', 'Digest', parseDigest),
    states: states.length === 0 ? undefined : states,
    after: query.count('after', 0, Number.MAX_SAFE_INTEGER),
    limit: limit + 1,
  });
  const page = rows.slice(0, limit);
  const next =
    rows.length > limit ? nextPage(request, { after: page.at(-1)?.id.toString() }) : undefined;
  sendPage(res, next, { deltas: page.map(deltaView) });
}

/**
 * `GET /v1/releases`, with a strong ETag of the body. Not express's own: that one ignores
 * If-None-Match beside the `Cache-Control: no-cache` that fetch adds to it.
 */
export async function listReleases(
  { catalog, facts, ostree }: MatrixHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const { signal } = request;
  const releases = await facts.all({ signal });
  const answer: ReleasesResponse = {
    releases,
    ostree: await ostreeReleases({ catalog, facts: ostree }, { signal }),
  };
  const body = Buffer.from(JSON.stringify(answer));
  const etag = `"${digestOf(body)}"`;
  res.set({ 'Cache-Control': 'no-cache', ETag: etag });
  if (checkConditions(request.req.headers, etag) === 'not_modified') res.status(304).end();
  else res.set('Content-Type', 'application/json').send(body);
}

/** `GET /v1/devices`. */
export async function listDevices(
  { catalog }: MatrixHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const query = request.query('last', 'lastKind', 'limit');
  const limit = query.count('limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
  const id = query.text('last', 'DeviceId');
  const kind = query.text('lastKind', 'DeviceKind') as DeviceKind | undefined;
  const last = id === undefined ? undefined : { id, kind };
  const rows = await catalog.fleet.devices({ last, limit: limit + 1 });
  const page = rows.slice(0, limit);
  const end = page.at(-1);
  const next =
    rows.length > limit ? nextPage(request, { last: end?.id, lastKind: end?.kind }) : undefined;
  const costs = await catalog.fleet.lastCosts([...new Set(page.map((device) => device.id))]);
  const byDevice = new Map(costs.map((cost) => [`${cost.kind} ${cost.deviceId}`, cost]));
  const devices = page.map((row) => deviceView(row, byDevice.get(`${row.kind} ${row.id}`)));
  sendPage(res, next, { devices });
}

/** `GET /v1/status`. */
export async function getStatus(
  { catalog }: MatrixHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  request.query();
  const [layers, deltas, heads] = await Promise.all([
    catalog.layers.counts(),
    catalog.deltas.counts(),
    catalog.repositories.heads(),
  ]);
  const newest = heads.toSorted((a, b) => b.id - a.id).slice(0, MAX_HEADS);
  res.json({ layers, deltas, headCount: heads.length, heads: newest.map(headView) });
}

function deltaView(row: DeltaRow) {
  const { result } = row;
  return result === undefined
    ? row
    : { ...row, result: { ...result, ratio: result.size / Math.max(1, result.fullSize) } };
}

function deviceView(device: DeviceRow, cost: UpdateCost | undefined) {
  if (cost === undefined) return device;
  const { to, type, plan, bytes, wireBytes, atMs } = cost;
  return { ...device, lastUpdate: { to, type, plan, bytes, wireBytes, atMs } };
}

function headView({ repo, tag, digest, id, pushedMs }: Release) {
  return { repo, tag, digest, releaseCounter: id, pushedMs };
}
