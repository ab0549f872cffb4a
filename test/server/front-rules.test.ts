import { describe, expect, it } from 'vitest';

import { loadCacheConfig, loadServerConfig } from '../../server/config-load.ts';
import { isLoopback, refuseOpenDoors } from '../../server/front-rules.ts';
import { frontFlags } from '../../server/cli/front-options.ts';

describe('the rule of open addresses', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'LocalHost', '::ffff:127.0.0.1'])(
    '%s is loopback',
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );

  it.each([
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    '127.1',
    '2130706433',
    '::2',
    'localhost.example',
    'fe80::1%lo',
  ])('%s is not', (host) => {
    expect(isLoopback(host)).toBe(false);
  });

  it('refuses an origin and a cache without rules, and says how to set them', async () => {
    const origin = await loadServerConfig({ flags: { listen: '0.0.0.0:0' }, env: {} });
    const cacheFlags = { listen: '[::]:0', upstream: 'http://127.0.0.1:1', region: 'eu' };
    const cache = await loadCacheConfig({ flags: cacheFlags, env: {} });
    for (const config of [origin, cache]) {
      expect(() => {
        refuseOpenDoors(config);
      }).toThrow(/access: \{ anonymous: /);
    }
    refuseOpenDoors({ ...origin, access: {} });
    const tls = { cert: 'c', key: 'k', clientCa: 'ca' };
    const local = { ...origin, listen: { host: '127.0.0.1', port: 0 } };
    expect(() => {
      refuseOpenDoors({ ...local, tls });
    }).toThrow(/tls\.clientCa .* access: \{ "cn:/);
    refuseOpenDoors({ ...local, tls, access: {} });
    refuseOpenDoors({ ...local, tls: { cert: 'c', key: 'k' } });
    refuseOpenDoors({ ...origin, listen: { host: '::1', port: 0 } });
  });

  it('takes TLS files from flags and the environment, and wants certificate and key together', async () => {
    const flags = frontFlags({ tlsCert: 'c.pem', tlsKey: 'k.pem' });
    const env = { RIVULET_TLS_CLIENT_CA: 'ca.pem' };
    const { tls } = await loadServerConfig({ flags, env });
    expect(tls).toEqual({ cert: 'c.pem', key: 'k.pem', clientCa: 'ca.pem' });
    const half = loadServerConfig({ flags: frontFlags({ tlsCert: 'c.pem' }), env: {} });
    await expect(half).rejects.toThrow(/tls must have required property 'key'/);
    expect((await loadServerConfig({ flags: frontFlags({}), env: {} })).tls).toBeUndefined();
  });
});
