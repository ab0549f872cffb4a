import type { Response } from 'express';

import type { ApiQuery, ApiRequest } from './api-request.ts';

/** Rows of a page unless the request says otherwise, and at most. */
export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;

/** A parameter as its schema and `parse` take it; undefined when it is absent. */
export function optional<T>(
  query: ApiQuery,
  name: string,
  schema: string,
  parse: (text: string) => T,
): T | undefined {
  const text = query.text(name, schema);
  return text === undefined ? undefined : parse(text);
}

/** The same path and query, moved behind the page's last row, which the parameters name. */
export function nextPage(
  request: ApiRequest,
  last: Readonly<Record<string, string | undefined>>,
): string {
  const url = new URL(request.req.originalUrl, 'http://localhost');
  for (const [name, value] of Object.entries(last)) url.searchParams.set(name, value ?? '');
  return `${url.pathname}${url.search}`;
}

/** A page of a list; `next` is the path and query of the one after it. */
export function sendPage(res: Response, next: string | undefined, page: object): void {
  if (next !== undefined) res.set('Link', `<${next}>; rel="next"`);
  res.json({ ...page, next });
}
