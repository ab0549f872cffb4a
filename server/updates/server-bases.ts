import { CACHE_URL_HEADER, REGION_HEADER } from '../../delta/agent/protocol.ts';
import { HttpError } from '../http/errors.ts';

/** The headers that say where a request came by. */
export interface RequestOrigin {
  readonly host: string | undefined;
  readonly protocol: 'http' | 'https';
  readonly region: string | undefined;
  readonly cacheUrl: string | undefined;
  /** What this server is called wherever it is asked; empty: as the request names it. */
  readonly publicUrl?: string | undefined;
}

const MAX_URL_LENGTH = 2048;
/** Between a device and its origin; more is a circle. */
const MAX_CACHES = 8;

/**
 * Base URLs of servers, without a slash at the end, to fetch bytes from: the caches that forwarded, the
 * region's caches of the configuration, this server last. A cache's URL counts only beside its region: a device alone
 * does not get to name where others' bytes come from, and its own plan would gain it nothing.
 * Throws `bad_request` for a URL or Host that does not parse.
 */
export function serverBases(
  origin: RequestOrigin,
  region: string | undefined,
  regions: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  const bases: string[] = [];
  if (origin.region !== undefined) bases.push(...cacheBases(origin.cacheUrl));
  if (region !== undefined && Object.hasOwn(regions, region)) {
    for (const url of regions[region] ?? []) bases.push(serverBase(url, REGION_HEADER));
  }
  const { host, protocol, publicUrl = '' } = origin;
  if (publicUrl !== '') bases.push(serverBase(publicUrl, 'publicUrl'));
  else if (host !== undefined) bases.push(serverBase(`${protocol}://${host}`, 'host'));
  return [...new Set(bases)];
}

/**
 * Base URLs of the caches that a request came by, nearest to the device first, from the header that each
 * adds itself to. Throws `bad_request` for what is none, or too many.
 */
export function cacheBases(header: string | undefined): readonly string[] {
  const texts = header === undefined ? [] : header.split(',').map((text) => text.trim());
  if (texts.length > MAX_CACHES) {
    throw new HttpError('bad_request', `${CACHE_URL_HEADER} names more than ${MAX_CACHES} caches`);
  }
  return texts.map((text) => serverBase(text, CACHE_URL_HEADER));
}

function serverBase(text: string, header: string): string {
  const url = text.length <= MAX_URL_LENGTH && URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    (url.protocol !== 'http:' && url.protocol !== 'https:') ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new HttpError(
      'bad_request',
      `${header} gives no plain http or https URL: ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
