import { CACHE_URL_HEADER, REGION_HEADER } from '../../delta/agent/protocol.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Contract } from '../http/validate.ts';
import { cacheBases } from '../updates/server-bases.ts';
import { requireText } from './json-request.ts';

/** How a device's request came here. */
export interface CameBy {
  /** The region of the cache that it asked, when that is another one. */
  readonly region: string | undefined;
  /** Base URLs of the caches that passed it on, nearest to the device first. */
  readonly cacheUrls: readonly string[];
}

/**
 * What caches below say of a request that they pass on; as at the origin, their addresses count beside a
 * region only. Throws `bad_request`.
 */
export function cameBy({ req }: Exchange, contract: Contract): CameBy {
  const region = req.headers[REGION_HEADER];
  if (typeof region !== 'string') return { region: undefined, cacheUrls: [] };
  requireText(contract, `header ${REGION_HEADER}`, 'RegionName', region);
  const urls = req.headers[CACHE_URL_HEADER];
  return { region, cacheUrls: cacheBases(typeof urls === 'string' ? urls : undefined) };
}
