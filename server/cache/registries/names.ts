import { OciError } from '../../oci/errors.ts';

/** Names that a cache answers to. */
export interface RegistryNames {
  /** Of the origin. */
  readonly origin: readonly string[];
  /** Of the other registries. */
  readonly others: readonly string[];
}

/** What a request to `/v2/` means. */
export interface NamedRequest {
  /** The registry; empty for the origin. */
  readonly registry: string;
  /** As that registry would be asked. */
  readonly path: string;
  /** How the client said so: links lead back the same way. */
  readonly by: 'ns' | 'path' | 'default';
}

/**
 * A registry in the path of a request, for clients that can't send `ns=`: its name, with `_` for the
 * colon before a port, which no repository name can have.
 */
export function pathPrefix(registry: string): string {
  return registry.replace(':', '_');
}

/**
 * The registry that `ns=` names (containerd), or that the path begins with (`/v2/ghcr.io/...`), else
 * the origin. A name is a key to compare, never an address to dial: `NAME_UNKNOWN` for one that is not
 * in the configuration.
 */
export function nameRequest(
  path: string,
  query: URLSearchParams,
  names: RegistryNames,
): NamedRequest {
  const named = findNamed(path, query, names);
  if (named !== undefined) return named;
  const what = JSON.stringify(query.getAll('ns').join(' ').slice(0, 200));
  const known = [...names.origin.slice(0, 1), ...names.others].join(', ');
  throw new OciError('NAME_UNKNOWN', `this mirrors ${known}, not ${what}`);
}

/** As {@link nameRequest}; undefined for a name that is not in the configuration. */
export function findNamed(
  path: string,
  query: URLSearchParams,
  { origin, others }: RegistryNames,
): NamedRequest | undefined {
  const [ns, ...more] = new Set(query.getAll('ns'));
  if (ns !== undefined) {
    if (more.length > 0) return undefined;
    if (origin.includes(ns)) return { registry: '', path, by: 'ns' };
    return others.includes(ns) ? { registry: ns, path, by: 'ns' } : undefined;
  }
  const named = others.find((name) => path.startsWith(`/v2/${pathPrefix(name)}/`));
  if (named === undefined) return { registry: '', path, by: 'default' };
  return {
    registry: named,
    path: `/v2/${path.slice(`/v2/${pathPrefix(named)}/`.length)}`,
    by: 'path',
  };
}

/** A repository's name for access rules: that of the origin as it is, others' after their registry. */
export function grantedName(registry: string, repo: string): string {
  return registry === '' ? repo : `${pathPrefix(registry)}/${repo}`;
}
