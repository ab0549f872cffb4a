import type { OutgoingHttpHeaders } from 'node:http';

import type { Clock } from '../../storage/clock.ts';
import { digestOf } from '../../storage/digest.ts';
import { checkConditions } from '../http/conditions.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { formatHttpDate, parseHttpDate } from './http-dates.ts';

/** A small file of a repository that changes. */
export interface OstreeDocument {
  readonly bytes: Buffer;
  /** When it last changed, milliseconds since the epoch; undefined where nobody knows. */
  readonly modifiedMs?: number | undefined;
  readonly mediaType?: string | undefined;
  /** More that goes with it. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** To be asked for again each time, which costs a 304. */
const SHORT_LIVED = 'public, no-cache';

/**
 * Answers a GET or HEAD for a file that changes: ETag of its bytes, `Last-Modified`, and 304 when the
 * client has these bytes already. `If-Modified-Since` counts only without `If-None-Match`, and only
 * when it names this very date: a ref that was deleted makes a summary older.
 */
export function sendDocument(x: Exchange, document: OstreeDocument, clock: Clock): void {
  const { req, res } = x;
  const { bytes, modifiedMs } = document;
  const etag = `"${digestOf(bytes)}"`;
  const headers: OutgoingHttpHeaders = {
    ...document.headers,
    ETag: etag,
    'Cache-Control': SHORT_LIVED,
    ...(modifiedMs !== undefined && { 'Last-Modified': formatHttpDate(modifiedMs) }),
  };
  const condition = checkConditions(req.headers, etag);
  if (condition === 'failed') {
    throw new HttpError('precondition_failed', `If-Match does not name ${etag}`);
  }
  if (condition === 'not_modified' || isUnmodified(x, modifiedMs, clock())) {
    res.writeHead(304, headers);
    res.end();
    return;
  }
  res.writeHead(200, {
    ...headers,
    'Content-Type': document.mediaType ?? 'application/octet-stream',
    'Content-Length': bytes.length,
  });
  res.end(req.method === 'HEAD' ? undefined : bytes);
}

function isUnmodified({ req }: Exchange, modifiedMs: number | undefined, nowMs: number): boolean {
  const since = req.headers['if-modified-since'];
  if (since === undefined || req.headers['if-none-match'] !== undefined) return false;
  if (modifiedMs === undefined) return false;
  const seconds = Math.floor(modifiedMs / 1000);
  // Within the second it could change again and keep its date.
  return parseHttpDate(since) === seconds && nowMs >= (seconds + 1) * 1000;
}
