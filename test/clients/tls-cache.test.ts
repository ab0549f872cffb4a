import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { configOf, silent } from '../server/cache/tools.ts';
import { Authority } from '../server/tls/authority.ts';
import { readableLogger } from '../server/tls/rig.ts';
import { startClientRig, type ClientRig } from './client-rig.ts';
import { startContainerd } from './containerd.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needRootTool, needTool } from './require.ts';
import { startTlsRig } from './tls-rig.ts';

const openssl = needTool('openssl');
const curl = needTool('curl');
const containerd = needRootTool('containerd');
const ctr = needTool('ctr');

/** A cache that only nodes with a certificate may use, before an origin that only the cache may read. */
describe.skipIf(openssl === undefined)('a regional cache over TLS, by certificates', () => {
  let rig: ClientRig;
  let authority: Authority;
  let cache: RunningCache;
  let digest: string;

  beforeAll(async () => {
    rig = await startClientRig('tls-cache', { 'token:cache': ['pull:**'] });
    await writeSmallRelease(join(rig.dir, 'in'), 'v1', 1);
    digest = await rig.push(
      join(rig.dir, 'in'),
      'demo/app',
      'v1',
      await rig.token('ci', 'push:**'),
    );
    authority = new Authority(rig.dir, 'authority');
    const { certFile, keyFile } = authority.server();
    const config = configOf(rig.url, join(rig.dir, 'cache'), {
      tls: { cert: certFile, key: keyFile, clientCa: authority.certFile },
      upstreamToken: await rig.token('cache', 'pull:none'),
      access: { 'uri:spiffe://fleet.example/node/*': ['pull:demo/**'] },
    });
    cache = await startCache(config, silent);
  });
  afterAll(async () => {
    await cache.close();
    await rig.close();
  });

  const node = () => authority.leaf('node', { san: 'URI:spiffe://fleet.example/node/till-7' });

  it.skipIf(containerd === undefined || ctr === undefined)(
    'is a mirror for containerd, by ca and client of hosts.toml',
    async () => {
      const programs = { containerd: containerd ?? '', ctr: ctr ?? '' };
      const ctd = await startContainerd(programs, rig.env);
      const reference = `${rig.host}/demo/app:v1`;
      const ca = authority.certFile;
      try {
        // Each time it also asks the origin, which refuses it.
        for (const tls of [undefined, { ca }, { ca, client: authority.leaf('stranger') }]) {
          await ctd.mirror(rig.host, cache.url, tls);
          await expect(ctd.pull(reference)).rejects.toThrow();
          expect(await ctd.contents()).toEqual([]);
        }
        await ctd.mirror(rig.host, cache.url, { ca, client: node() });
        await ctd.pull(reference, '--all-platforms');
        expect(await ctd.contents()).toContain(digest);
      } finally {
        await ctd.stop();
      }
    },
  );

  it.skipIf(curl === undefined)('tells curl what it lacks', async () => {
    const ask = async (...who: string[]) => {
      const flags = ['-sS', '--cacert', authority.certFile, '-w', '\n%{http_code}', ...who];
      return rig.run(curl ?? '', [...flags, `${cache.url}/v2/demo/app/manifests/v1`]);
    };
    expect(await ask()).toMatch(/UNAUTHORIZED[^]*\n401$/);
    const { certFile, keyFile } = node();
    expect(await ask('--cert', certFile, '--key', keyFile)).toMatch(/manifests[^]*\n200$/);
    const old = authority.leaf('old', { days: -1 });
    const refused = await ask('--cert', old.certFile, '--key', old.keyFile);
    expect(refused).toMatch(/has expired; renew it[^]*\n401$/);
  });
});

describe.skipIf(openssl === undefined)('a regional cache before an origin over TLS', () => {
  it('says that it does not know the authority, also while it waits for better days', async () => {
    const rig = await startTlsRig('tls-upstream');
    onTestFinished(() => rig.close());
    const { logger, text } = readableLogger();
    const cache = await startCache(configOf(rig.url, join(rig.dir, 'cache'), {}), logger);
    onTestFinished(() => cache.close());
    for (let times = 0; times < 2; times += 1) {
      const answer = await fetch(`${cache.url}/v2/demo/app/manifests/v1`);
      expect(answer.status).toBe(503);
    }
    const faults = text().match(/the origin [^"]*NODE_EXTRA_CA_CERTS/g);
    expect(faults).toContainEqual(
      expect.stringMatching(/^the origin \S+ was not to be had just now/),
    );
  });
});
