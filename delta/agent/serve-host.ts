import { isIP } from 'node:net';

/**
 * Whether a request's Host (RFC 9110, 7.2) names a server that listens on `listened`: `localhost`, an
 * address, or the very name that it was told to listen on. Names are what DNS rebinding needs: a page
 * of another site keeps that site's name in Host however the name resolves.
 */
export function isOurHost(host: string | undefined, listened: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(host ?? '') ?? [];
  const name = (bracketed ?? plain)?.toLowerCase();
  if (name === undefined) return false;
  return isIP(name) !== 0 || name === 'localhost' || name === listened.toLowerCase();
}
