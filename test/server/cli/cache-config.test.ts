import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { cachePoint } from '../../../server/cli/cache-config/cache-point.ts';
import { containerdFiles, k3sFiles, podmanFiles } from '../../../server/cli/cache-config/files.ts';
import { loadCacheConfig } from '../../../server/config-load.ts';

const REGISTRIES = {
  'docker.io': {},
  'quay.lan:5000': { url: 'http://quay.lan:5000' },
};

async function pointOf(flags: Readonly<Record<string, unknown>>, ca?: string) {
  const all = {
    upstream: 'http://origin.lan:8480',
    region: 'eu',
    registries: REGISTRIES,
    ...flags,
  };
  return cachePoint(await loadCacheConfig({ flags: all, env: {} }), ca);
}

const HTTPS = { publicUrl: 'https://cache.lan:8481/' };

describe('what `rivulet cache config` prints', () => {
  it('for K3s follows its rules: mirrors, configs by the endpoint’s host', async () => {
    // As K3s's agent reads it (pkg/agent/containerd/config.go): an endpoint with another path than /v2 replaces it.
    const [file] = k3sFiles(await pointOf(HTTPS, '/etc/rivulet/ca.pem'));
    expect(file?.path).toBe('/etc/rancher/k3s/registries.yaml');
    const cache = 'https://cache.lan:8481';
    expect(parse(file?.text ?? '')).toEqual({
      mirrors: {
        'origin.lan:8480': { endpoint: [cache, 'http://origin.lan:8480'] },
        'docker.io': { endpoint: [cache] },
        'quay.lan:5000': { endpoint: [cache, 'http://quay.lan:5000'] },
      },
      configs: { 'cache.lan:8481': { tls: { ca_file: '/etc/rivulet/ca.pem' } } },
    });
    expect(new URL(cache).pathname).toBe('/');
  });

  it('for containerd is a hosts.toml for each registry, in its folder', async () => {
    const files = containerdFiles(await pointOf(HTTPS, '/etc/rivulet/ca.pem'));
    expect(files.map(({ path }) => path)).toEqual(
      ['origin.lan:8480', 'docker.io', 'quay.lan:5000'].map(
        (name) => `/etc/containerd/certs.d/${name}/hosts.toml`,
      ),
    );
    expect(files[1]?.text).toBe(
      'server = "https://registry-1.docker.io"\n\n[host."https://cache.lan:8481"]\n' +
        '  capabilities = ["pull", "resolve"]\n  ca = "/etc/rivulet/ca.pem"\n',
    );
  });

  it('for podman says the registry in the path, a port after "_"', async () => {
    const [file] = podmanFiles(await pointOf({ publicUrl: 'http://cache.lan:8481' }));
    const locations = [...(file?.text ?? '').matchAll(/mirror\]\]\nlocation = "(.*)"\ninsecure/g)];
    expect(locations.map(([, location]) => location)).toEqual([
      'cache.lan:8481',
      'cache.lan:8481/docker.io',
      'cache.lan:8481/quay.lan_5000',
    ]);
  });

  it('needs an address that nodes reach', async () => {
    await expect(pointOf({ listen: '0.0.0.0:8481' })).rejects.toThrow(/--public-url/);
    expect((await pointOf({ listen: '127.0.0.1:8481' })).url).toBe('http://127.0.0.1:8481');
    await expect(pointOf({ listen: '127.0.0.1:8481' }, '/ca.pem')).rejects.toThrow(/--ca/);
  });
});

describe('registries in the configuration', () => {
  const faultsOf = (registries: unknown) =>
    loadCacheConfig({ flags: { upstream: 'http://a', region: 'eu', registries }, env: {} });

  it('are checked, with every fault said', async () => {
    const faulty = {
      a: {},
      'b.example': { username: 'x' },
      'c.example': { token: 't', tokenFile: 'f' },
      'd.example': { through: 'upstream', url: 'http://d' },
    };
    await expect(faultsOf(faulty)).rejects.toThrow(
      /4 faults.*registries\.a is the upstream.*b\.example has a username without.*c\.example has several secrets.*d\.example is asked through/,
    );
    await expect(faultsOf({ 'Bad/Name': {} })).rejects.toThrow(/registries/);
    await expect(faultsOf({ 'a.example': { pasword: 'x' } })).rejects.toThrow(/"pasword"/);
    await expect(faultsOf({ 'a.example': { password: 'x' } })).rejects.toThrow(/username/);
  });
});
