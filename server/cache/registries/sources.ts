import { readFile } from 'node:fs/promises';

import type { Clock } from '../../../storage/clock.ts';
import type { CacheConfig, RegistryConfig, UpstreamTlsConfig } from '../../config.ts';
import { ServerError } from '../../errors.ts';
import type { UpstreamTls } from '../upstream-agents.ts';
import { Upstream } from '../upstream.ts';
import { readCredentials } from './credentials.ts';
import { pathPrefix } from './names.ts';
import { RegistryAuth } from './registry-auth.ts';

/** A registry that a cache answers for, and where it asks for it. */
export interface RegistrySource {
  /** As `ns=` names it; empty for the origin. */
  readonly name: string;
  readonly upstream: Upstream;
  /** What comes before a repository's name there. */
  readonly root: string;
  /** Where to push, for people. */
  readonly pushUrl: string;
}

export interface OpenSourcesOptions {
  readonly config: Pick<CacheConfig, 'registries'>;
  /** Of the origin, which may be a cache that answers for registries too. */
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly onBytes: (count: number) => void;
  readonly progressMs?: number | undefined;
}

/** The base URL of a registry when the configuration does not say it. */
export function registryUrl(name: string, { url }: RegistryConfig): string {
  if (url !== undefined) return url;
  return name === 'docker.io' ? 'https://registry-1.docker.io' : `https://${name}`;
}

/**
 * The registries of the configuration. Pushes how to close each onto `opened`. Throws `config` for files
 * that can't be read.
 */
export async function openSources(
  { config, upstream, clock, onBytes, progressMs }: OpenSourcesOptions,
  opened: (() => Promise<void> | void)[],
): Promise<readonly RegistrySource[]> {
  const sources: RegistrySource[] = [];
  for (const [name, settings] of Object.entries(config.registries)) {
    const base = registryUrl(name, settings);
    if (settings.through === 'upstream') {
      sources.push({ name, upstream, root: `/v2/${pathPrefix(name)}/`, pushUrl: base });
      continue;
    }
    const credentials = () => readCredentials(name, settings);
    await credentials();
    const tls = await readTls(`registries.${name}.tls`, settings.tls);
    const auth = new RegistryAuth({ base, credentials, tls, clock });
    const role = 'the registry';
    const own = new Upstream({ base, role, auth, tls, clock, onBytes, progressMs });
    opened.push(() => {
      auth.close();
      own.close();
    });
    sources.push({ name, upstream: own, root: '/v2/', pushUrl: base });
  }
  return sources;
}

/** Reads the PEM files of `setting`; throws `config` for one that is not to be read. */
export async function readTls(
  setting: string,
  files: UpstreamTlsConfig | undefined,
): Promise<UpstreamTls | undefined> {
  if (files === undefined) return undefined;
  const read = async (part: 'ca' | 'cert' | 'key'): Promise<string | undefined> => {
    const path = files[part];
    if (path === undefined) return undefined;
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      throw new ServerError('config', `cannot read ${setting}.${part}: ${path}`, { cause });
    }
  };
  return { ca: await read('ca'), cert: await read('cert'), key: await read('key') };
}
