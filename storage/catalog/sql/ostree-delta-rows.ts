import type { Selectable } from 'kysely';

import type { OstreeChecksum } from '../../ostree/checksum.ts';
import type { OstreeDeltaResult, OstreeDeltaRow } from '../ostree-delta-catalog.ts';
import type { Schema } from '../schema.ts';

/** What stands in `from_checksum`. */
export function fromColumn(from: OstreeChecksum | undefined): OstreeChecksum | '' {
  return from ?? '';
}

export function fromOf(column: OstreeChecksum | ''): OstreeChecksum | undefined {
  return column === '' ? undefined : column;
}

/** What a row keeps of a built delta. */
export function ostreeResultColumns(result: OstreeDeltaResult) {
  return {
    superblock_bytes: result.superblockBytes,
    part_bytes: result.partBytes,
    fallback_bytes: result.fallbackBytes,
    full_bytes: result.fullBytes,
    full_requests: result.fullRequests,
    requests: result.requests,
    build_ms: result.buildMs,
    apply_ms: result.applyMs,
  };
}

export function toOstreeDelta(row: Selectable<Schema['ostree_deltas']>): OstreeDeltaRow {
  const result = toResult(row);
  return {
    id: row.id,
    repo: row.repo,
    ref: row.ref,
    from: fromOf(row.from_checksum),
    to: row.to_checksum,
    state: row.state,
    attempts: row.attempts,
    progress: row.progress,
    ...(result !== undefined && { result }),
    ...(row.reason !== null && { reason: row.reason }),
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
  };
}

/** Figures of an earlier build are no result of a row that is built again. */
function toResult(row: Selectable<Schema['ostree_deltas']>): OstreeDeltaResult | undefined {
  const isBuilt = ['published', 'rejected', 'retired'].includes(row.state);
  if (!isBuilt || row.superblock_bytes === null) return undefined;
  return {
    superblockBytes: row.superblock_bytes,
    partBytes: row.part_bytes ?? 0,
    fallbackBytes: row.fallback_bytes ?? 0,
    fullBytes: row.full_bytes ?? 0,
    fullRequests: row.full_requests ?? 0,
    requests: row.requests ?? 0,
    buildMs: row.build_ms ?? 0,
    applyMs: row.apply_ms ?? 0,
  };
}
