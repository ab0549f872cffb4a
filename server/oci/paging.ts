import { OciError } from './errors.ts';

/** One answer lists at most this many names; `Link` leads on. */
const MAX_PAGE = 10_000;

/** A page of names as asked for with `n` and `last`. */
export interface PageRequest {
  readonly limit: number;
  /** Exclusive. */
  readonly last: string | undefined;
}

/** Reads `n` and `last` (OCI distribution 1.1, "Listing Tags"); 400 for an `n` that is no number. */
export function readPage(query: URLSearchParams): PageRequest {
  const n = query.get('n');
  if (n !== null && !/^\d{1,9}$/.test(n)) {
    throw new OciError('UNSUPPORTED', 'n is not a number', { status: 400 });
  }
  return {
    limit: Math.min(n === null ? MAX_PAGE : Number(n), MAX_PAGE),
    last: query.get('last') ?? undefined,
  };
}

/**
 * Cuts names, of which one more than `limit` was asked for, to the page and says where the next one
 * is. An empty page leads nowhere.
 */
export function cutPage<T extends string>(
  names: readonly T[],
  page: PageRequest,
  path: string,
): { readonly names: readonly T[]; readonly headers: Readonly<Record<string, string>> } {
  const kept = names.slice(0, page.limit);
  const last = kept.at(-1);
  if (names.length <= page.limit || last === undefined) return { names: kept, headers: {} };
  const next = `${path}?n=${page.limit}&last=${encodeURIComponent(last)}`;
  return { names: kept, headers: { Link: `<${next}>; rel="next"` } };
}
