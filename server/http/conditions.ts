import type { IncomingHttpHeaders } from 'node:http';

/** What the conditions of a GET or HEAD lead to (RFC 9110, 13.2.2), for an object that exists. */
export type Condition = 'proceed' | 'not_modified' | 'failed';

/** Evaluates `If-Match` and `If-None-Match` for a strong `etag`, quotes included. */
export function checkConditions(headers: IncomingHttpHeaders, etag: string): Condition {
  const match = headers['if-match'];
  if (match !== undefined && !isListed(match, etag, { weak: false })) return 'failed';
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined && isListed(noneMatch, etag, { weak: true })) return 'not_modified';
  return 'proceed';
}

/** True if a Range header still holds: no `If-Range`, or one that is this strong etag (never a date). */
export function rangeHolds(headers: IncomingHttpHeaders, etag: string): boolean {
  const ifRange = headers['if-range'];
  return ifRange === undefined || ifRange === etag;
}

function isListed(header: string, etag: string, compare: { readonly weak: boolean }): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (compare.weak && tag === `W/${etag}`));
}
