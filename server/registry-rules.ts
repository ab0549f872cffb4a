import type { CacheConfig, RegistryConfig } from './config.ts';

/** What the schema does not see in the registries of a cache's configuration. */
export function registryFaults(config: CacheConfig): readonly string[] {
  const faults: string[] = [];
  const origin = new Set([new URL(config.upstream).host, ...config.upstreamNames]);
  for (const [name, registry] of Object.entries(config.registries)) {
    if (origin.has(name)) {
      faults.push(`registries.${name} is the upstream, which needs no entry: leave it out`);
    }
    faults.push(...entryFaults(registry).map((fault) => `registries.${name} ${fault}`));
  }
  return faults;
}

function entryFaults(registry: RegistryConfig): readonly string[] {
  const { url, through, username, password, passwordFile, token, tokenFile, tls } = registry;
  const own = [url, username, password, passwordFile, token, tokenFile, tls];
  if (through !== undefined) {
    return own.some((setting) => setting !== undefined)
      ? ['is asked through the upstream, which has its address and credentials: leave the rest out']
      : [];
  }
  const secrets = [password, passwordFile, token, tokenFile].filter((each) => each !== undefined);
  if (secrets.length > 1) {
    return ['has several secrets: give one of password, passwordFile, token and tokenFile'];
  }
  if (username !== undefined && password === undefined && passwordFile === undefined) {
    return ['has a username without password or passwordFile'];
  }
  return [];
}
