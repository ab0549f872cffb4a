import type { IncomingHttpHeaders } from 'node:http';

import { AGE_HEADER } from '../../delta/agent/protocol.ts';

/**
 * Seconds since what an upstream says was last confirmed, when the upstream is a cache that could not
 * confirm it now; undefined for a fresh answer.
 */
export function ageOf(headers: IncomingHttpHeaders): number | undefined {
  const text = headers[AGE_HEADER];
  if (typeof text !== 'string' || !/^\d{1,10}$/.test(text)) return undefined;
  return Number(text);
}
