import type { ServerConfig } from './config.ts';

/** As the schema leaves it: `kind` may be absent, and either way to give the URL, both, or none. */
export interface CatalogSettings {
  readonly kind?: 'sqlite' | 'postgres';
  readonly url?: string;
  readonly urlFile?: string;
  readonly poolSize: number;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** What contradicts itself in the settings of the catalog. */
export function catalogFaults({ kind, url, urlFile }: CatalogSettings): readonly string[] {
  const given = [url, urlFile].filter((place) => place !== undefined).length;
  if (given > 1) return ['catalog has both url and urlFile: leave one out'];
  if (kind === 'postgres' && given === 0) return ['catalog must have url or urlFile'];
  if (kind === 'sqlite' && given > 0)
    return ['catalog has the kind sqlite and a url: leave one out'];
  return [];
}

/** A URL says that it is PostgreSQL; without one the catalog is the embedded one. */
export function catalogOf(settings: CatalogSettings): ServerConfig['catalog'] {
  const { kind, url, urlFile, poolSize, tls } = settings;
  if (kind === 'sqlite' || (url ?? urlFile) === undefined) return { kind: 'sqlite' };
  return { kind: 'postgres', url, urlFile, poolSize, tls };
}
