import type { Selectable } from 'kysely';

import type { DeltaResult, DeltaRow } from '../delta-catalog.ts';
import type { Schema } from '../schema.ts';
import { parseCodecs } from './json.ts';

/** What a row keeps of a built delta. */
export function resultColumns(result: DeltaResult) {
  return {
    digest: result.digest,
    size: result.size,
    full_size: result.fullSize,
    ram_bytes: result.ramBytes,
    build_ms: result.buildMs,
    apply_ms: result.applyMs,
    codecs: JSON.stringify(result.codecs),
  };
}

export function toDelta(row: Selectable<Schema['deltas']>): DeltaRow {
  const result = toResult(row);
  return {
    id: row.id,
    repo: row.repo,
    tag: row.tag,
    platform: row.platform,
    from: row.from_digest,
    to: row.to_digest,
    state: row.state,
    attempts: row.attempts,
    progress: row.progress,
    ...(result !== undefined && { result }),
    ...(row.reason !== null && { reason: row.reason }),
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
  };
}

/**
 * A revived row keeps the columns of its former delta, whose bytes devices may still be fetching, but
 * shows no result until it has one again.
 */
function toResult(row: Selectable<Schema['deltas']>): DeltaResult | undefined {
  const { digest, size, full_size, ram_bytes, build_ms, apply_ms, codecs } = row;
  const built = row.state === 'published' || row.state === 'rejected' || row.state === 'retired';
  if (!built || digest === null || size === null || full_size === null || ram_bytes === null) {
    return undefined;
  }
  return {
    digest,
    size,
    fullSize: full_size,
    ramBytes: ram_bytes,
    buildMs: build_ms ?? 0,
    applyMs: apply_ms ?? 0,
    codecs: codecs === null ? {} : parseCodecs(codecs),
  };
}
