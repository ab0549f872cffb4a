import { stringify } from 'yaml';

import { pathPrefix } from '../../cache/registries/names.ts';
import type { CachePoint, PointedRegistry } from './cache-point.ts';

/** A file of a node. */
export interface NodeFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

/** What containerd reads per registry (`docs/hosts.md` of containerd), asked again at each pull. */
export function containerdFiles(point: CachePoint): readonly NodeFile[] {
  return point.registries.map((registry) => ({
    path: `/etc/containerd/certs.d/${registry.name}/hosts.toml`,
    text: lines([
      `server = ${quoted(registry.url)}`,
      '',
      `[host.${quoted(point.url)}]`,
      '  capabilities = ["pull", "resolve"]',
      ...(point.ca === undefined ? [] : [`  ca = ${quoted(point.ca)}`]),
    ]),
  }));
}

/** K3s's registries.yaml, read when the service starts. A registry without TLS is an endpoint itself. */
export function k3sFiles(point: CachePoint): readonly NodeFile[] {
  const mirrors = point.registries.map(({ name, url }) => {
    const endpoint = url.startsWith('http:') ? [point.url, url] : [point.url];
    return [name, { endpoint }] as const;
  });
  const configs =
    point.ca === undefined ? {} : { configs: { [point.host]: { tls: { ca_file: point.ca } } } };
  const text = stringify({ mirrors: Object.fromEntries(mirrors), ...configs });
  return [{ path: '/etc/rancher/k3s/registries.yaml', text }];
}

/** What podman, skopeo, buildah and CRI-O read (containers-registries.conf(5)). */
export function podmanFiles(point: CachePoint): readonly NodeFile[] {
  const { ca, host } = point;
  const trust =
    ca === undefined
      ? []
      : [`# The authority of the cache: cp ${ca} /etc/containers/certs.d/${host}/ca.crt`, ''];
  const tables = point.registries.flatMap((registry) => podmanTable(point, registry));
  const path = '/etc/containers/registries.conf.d/50-rivulet.conf';
  return [{ path, text: lines([...trust, ...tables]) }];
}

/** These clients can't say which registry they mean, but in the path. */
function podmanTable({ url, host }: CachePoint, registry: PointedRegistry): readonly string[] {
  const { name, isOrigin } = registry;
  const path = new URL(url).pathname.replace(/\/+$/, '');
  const location = `${host}${path}${isOrigin ? '' : `/${pathPrefix(name)}`}`;
  return [
    '[[registry]]',
    `prefix = ${quoted(name)}`,
    `location = ${quoted(name)}`,
    ...(registry.url.startsWith('http:') ? ['insecure = true'] : []),
    '',
    '[[registry.mirror]]',
    `location = ${quoted(location)}`,
    ...(url.startsWith('http:') ? ['insecure = true'] : []),
    '',
  ];
}

/** A string of TOML is one of JSON, but for characters that no address has. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

function lines(all: readonly string[]): string {
  return `${all.join('\n').trimEnd()}\n`;
}
