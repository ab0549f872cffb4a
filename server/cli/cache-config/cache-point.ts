import { isLoopback } from '../../front-rules.ts';
import type { CacheConfig } from '../../config.ts';
import { ServerError } from '../../errors.ts';
import { registryUrl } from '../../cache/registries/sources.ts';

/** A registry as nodes know it. */
export interface PointedRegistry {
  /** As image references begin. */
  readonly name: string;
  /** Its base URL: where nodes go when the cache does not answer. */
  readonly url: string;
  /** The origin's images have no registry in their path at the cache. */
  readonly isOrigin: boolean;
}

/** What a node has to be told: where the cache is, and for which registries it answers. */
export interface CachePoint {
  /** Its base URL, without a slash at the end. */
  readonly url: string;
  /** Host and port of that. */
  readonly host: string;
  /** The file on the node that holds the authority of the cache's certificate. */
  readonly ca: string | undefined;
  readonly registries: readonly PointedRegistry[];
}

/**
 * What the cache of that configuration is to nodes. Throws `config` when it does not say under which
 * address they reach it.
 */
export function cachePoint(config: CacheConfig, ca: string | undefined): CachePoint {
  const url = new URL(publicUrl(config));
  if (ca !== undefined && url.protocol !== 'https:') {
    throw new ServerError('usage', `--ca goes with an https address, and the cache is ${url.href}`);
  }
  const upstream = new URL(config.upstream);
  return {
    url: url.href.replace(/\/+$/, ''),
    host: url.host,
    ca,
    registries: [
      { name: upstream.host, url: upstream.origin, isOrigin: true },
      ...config.upstreamNames.map((name) => ({ name, url: usualUrl(name), isOrigin: true })),
      ...Object.entries(config.registries).map(([name, registry]) => ({
        name,
        url: new URL(registryUrl(name, registry)).origin,
        isOrigin: false,
      })),
    ],
  };
}

/** As container tools take a name for an address. */
function usualUrl(name: string): string {
  const { hostname } = new URL(`http://${name}`);
  return `${isLoopback(hostname) ? 'http' : 'https'}://${name}`;
}

function publicUrl({ publicUrl: given, listen, tls }: CacheConfig): string {
  if (given !== '') return given;
  if (!isLoopback(listen.host) || listen.port === 0) {
    throw new ServerError(
      'config',
      `nodes can't reach ${listen.host}:${listen.port}: say the cache's address with --public-url, or publicUrl in the --config file`,
    );
  }
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return `${tls === undefined ? 'http' : 'https'}://${host}:${listen.port}`;
}
