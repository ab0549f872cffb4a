import type { IncomingHttpHeaders } from 'node:http';

import { OciError } from './errors.ts';

/** Where a piece of an upload begins and how long it is, as far as the client says. */
export interface ChunkPlace {
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
}

/**
 * Reads `Content-Range: start-end`, both inclusive (OCI distribution 1.1, "Pushing a blob in
 * chunks"; `bytes start-end/total` is taken as well), and `Content-Length`. 416 when the range does
 * not parse, 400 when the two disagree.
 */
export function readChunkPlace(headers: IncomingHttpHeaders): ChunkPlace {
  const told = headers['content-length'];
  const length = told === undefined ? undefined : Number(told);
  const range = headers['content-range'];
  if (range === undefined) return { length };
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(range.trim());
  const start = Number(match?.[1]);
  const end = Number(match?.[2]);
  if (match === null || end < start) {
    throw new OciError('BLOB_UPLOAD_INVALID', 'Content-Range is not start-end');
  }
  if (length !== undefined && length !== end - start + 1) {
    throw new OciError(
      'SIZE_INVALID',
      `Content-Range ${start}-${end} and Content-Length ${length} disagree`,
    );
  }
  return { offset: start, length: end - start + 1 };
}
