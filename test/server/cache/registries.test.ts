import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';

import type { CacheTuning } from '../../../server/cache/cache-parts.ts';
import type { CacheConfig, RegistryConfig } from '../../../server/config.ts';
import { sendRange, startRegistry } from './fake-registry.ts';
import { ask, noise, startOrigin, startTestCache, tempFolder, type Answer } from './tools.ts';

const ONE = Buffer.from('{"schemaVersion":2,"one":1}');
const TWO = Buffer.from('{"schemaVersion":2,"two":2}');

/** A cache of an origin and of registries, some of them told apart by who may read them. */
async function startMirrors(
  registries: Readonly<Record<string, RegistryConfig>>,
  more: Partial<CacheConfig> = {},
  tuning: CacheTuning = {},
) {
  const origin = await startOrigin();
  const cache = await startTestCache(origin.url, { registries, ...more }, tuning);
  const get = (path: string, method = 'GET'): Promise<Answer> =>
    ask(`${cache.url}${path}`, { method });
  const status = async (path: string): Promise<number> => (await get(path)).status;
  return { origin, cache, get, status };
}

describe('several registries at one cache', () => {
  it('are told apart by ns= and by the path; others are refused by name', async () => {
    const hub = await startRegistry();
    const ghcr = await startRegistry();
    hub.addManifest('library/app', '1', ONE);
    ghcr.addManifest('library/app', '1', TWO);
    const { get, origin } = await startMirrors({
      'docker.io': { url: hub.url },
      'ghcr.io:5000': { url: ghcr.url },
    });
    for (let round = 0; round < 2; round += 1) {
      const one = await get('/v2/library/app/manifests/1?ns=docker.io');
      const two = await get('/v2/library/app/manifests/1?ns=ghcr.io:5000');
      expect([one.body.equals(ONE), two.body.equals(TWO)]).toEqual([true, true]);
      expect((await get('/v2/docker.io/library/app/manifests/1')).body.equals(ONE)).toBe(true);
      expect((await get('/v2/ghcr.io_5000/library/app/manifests/1')).body.equals(TWO)).toBe(true);
      await hub.stop();
      await ghcr.stop();
    }
    const unknown = await get('/v2/library/app/manifests/1?ns=quay.io');
    expect([unknown.status, unknown.body.toString()]).toEqual([
      404,
      expect.stringMatching(/NAME_UNKNOWN.*not \\"quay.io\\"/),
    ]);
    expect((await get('/v2/a/manifests/1?ns=docker.io&ns=ghcr.io:5000')).status).toBe(404);
    const push = await get('/v2/library/app/blobs/uploads/?ns=docker.io', 'POST');
    expect([push.status, push.body.toString()]).toEqual([405, expect.stringContaining(hub.url)]);
    expect(origin.seen.filter((line) => line.includes('/v2/'))).toEqual([]);
  });

  it('serve tags and blobs as the registry last said, once it is gone', async () => {
    const hub = await startRegistry({ scheme: 'bearer' });
    const bytes = noise(3_000_000);
    const digest = hub.addBlob('library/app', bytes);
    hub.addManifest('library/app', '1', ONE);
    const data = await tempFolder();
    const registries = { 'docker.io': { url: hub.url } };
    let nowMs = Date.now();
    const clock = (): number => nowMs;
    const first = await startMirrors(registries, { data }, { clock });
    const blob = `/v2/library/app/blobs/${digest}?ns=docker.io`;
    expect((await first.get(blob)).body.equals(bytes)).toBe(true);
    expect((await first.get('/v2/library/app/manifests/1?ns=docker.io')).status).toBe(200);
    await first.cache.close();
    await hub.stop();
    nowMs += 90_000;
    const again = await startTestCache(first.origin.url, { registries, data }, { clock });
    expect((await ask(again.url + blob)).body.equals(bytes)).toBe(true);
    const tag = await ask(`${again.url}/v2/library/app/manifests/1?ns=docker.io`);
    expect(tag.headers['rivulet-age']).toBe('90');
    // Nobody ever asked for it through that repository.
    expect((await ask(`${again.url}/v2/other/app/blobs/${digest}?ns=docker.io`)).status).toBe(503);
  });

  it('confirm a tag by HEAD, which registries do not count', async () => {
    const hub = await startRegistry();
    hub.addManifest('library/app', '1', ONE);
    const { get } = await startMirrors({ 'docker.io': { url: hub.url } });
    const path = '/v2/library/app/manifests/1?ns=docker.io';
    await get(path);
    await get(path);
    hub.addManifest('library/app', '1', TWO);
    expect((await get(path)).body.equals(TWO)).toBe(true);
    const methods = hub.seen.map((line) => line.split(' ')[0]);
    expect(methods).toEqual(['GET', 'HEAD', 'HEAD', 'GET']);
  });
});

describe('what is private', () => {
  it('stays within its registry and repository, and its existence too', async () => {
    const hub = await startRegistry();
    const ghcr = await startRegistry({ scheme: 'bearer', user: 'robot:secret' });
    // Of a size that hot answers take.
    const bytes = noise(20_000);
    const secret = ghcr.addBlob('org/app', bytes);
    const manifest = ghcr.addManifest('org/app', '1', ONE);
    const { get, status, origin } = await startMirrors({
      'docker.io': { url: hub.url },
      'ghcr.io': { url: ghcr.url, username: 'robot', password: 'secret' },
    });
    origin.intercept = (x) => {
      if (x.req.method !== 'HEAD') return false;
      x.res.writeHead(404).end();
      return true;
    };
    expect((await get(`/v2/org/app/blobs/${secret}?ns=ghcr.io`)).body.equals(bytes)).toBe(true);
    expect(await status(`/v2/org/app/manifests/1?ns=ghcr.io`)).toBe(200);
    for (const elsewhere of [
      `/v2/org/app/blobs/${secret}?ns=docker.io`,
      `/v2/docker.io/org/app/blobs/${secret}`,
      `/v2/org/other/blobs/${secret}?ns=ghcr.io`,
      `/v2/org/app/blobs/${secret}`,
      `/v1/blobs/${secret}`,
      `/v2/org/app/manifests/${manifest}?ns=docker.io`,
      `/v2/org/other/manifests/${manifest}?ns=ghcr.io`,
      `/v2/org/app/manifests/${manifest}`,
    ]) {
      expect(`${elsewhere} ${await status(elsewhere)}`).toBe(`${elsewhere} 404`);
    }
    // The origin has it too, as it turns out: then it is anybody's who may read the origin.
    origin.intercept = undefined;
    origin.blobs.set(secret, bytes);
    expect((await get(`/v1/blobs/${secret}`)).body.equals(bytes)).toBe(true);
    expect(origin.asked).toEqual([]);
  });

  it('of the origin stays readable, without asking it, when a registry has it as well', async () => {
    const hub = await startRegistry();
    const bytes = noise(100_000);
    const digest = hub.addBlob('library/app', bytes);
    const { get, origin } = await startMirrors({ 'docker.io': { url: hub.url } });
    origin.add(bytes);
    await get(`/v1/blobs/${digest}`);
    await get(`/v2/library/app/blobs/${digest}?ns=docker.io`);
    await origin.stop();
    expect((await get(`/v1/blobs/${digest}`)).body.equals(bytes)).toBe(true);
  });

  it('is granted by the registry and the repository together', async () => {
    const hub = await startRegistry();
    hub.addManifest('library/app', '1', ONE);
    hub.addManifest('other/app', '1', ONE);
    const access = { anonymous: ['pull:docker.io/library/**'] };
    const { status } = await startMirrors({ 'docker.io': { url: hub.url } }, { access });
    expect(await status('/v2/library/app/manifests/1?ns=docker.io')).toBe(200);
    expect(await status('/v2/docker.io/library/app/manifests/1')).toBe(200);
    expect(await status('/v2/other/app/manifests/1?ns=docker.io')).toBe(401);
    expect(await status('/v2/library/app/manifests/1')).toBe(401);
  });
});

describe('credentials of a registry', () => {
  it('get a token for each repository, which is kept until it ends or is refused', async () => {
    const ghcr = await startRegistry({ scheme: 'bearer', user: 'robot:secret', expiresIn: 60 });
    for (const repo of ['org/a', 'org/b']) ghcr.addManifest(repo, '1', ONE);
    const folder = await tempFolder();
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'secret\n');
    const origin = await startOrigin();
    let nowMs = Date.now();
    const registries = { 'ghcr.io': { url: ghcr.url, username: 'robot', passwordFile } };
    const { url } = await startTestCache(origin.url, { registries }, { clock: () => nowMs });
    const status = async (repo: string): Promise<number> =>
      (await ask(`${url}/v2/${repo}/manifests/1?ns=ghcr.io`)).status;
    const many = await Promise.all(['org/a', 'org/a', 'org/b', 'org/a'].map(status));
    expect(many).toEqual([200, 200, 200, 200]);
    expect(await status('org/a')).toBe(200);
    expect(ghcr.scopes.toSorted()).toEqual(['repository:org/a:pull', 'repository:org/b:pull']);
    nowMs += 50_000;
    expect(await status('org/a')).toBe(200);
    expect(ghcr.scopes).toHaveLength(3);
    ghcr.revoke();
    expect(await status('org/b')).toBe(200);
    expect(ghcr.scopes).toHaveLength(4);
    // A changed password counts at the next token; a refused one says so, and whose it is.
    ghcr.revoke();
    await writeFile(passwordFile, 'other');
    const answer = await ask(`${url}/v2/org/a/manifests/1?ns=ghcr.io`);
    expect([answer.status, answer.body.toString()]).toEqual([
      403,
      expect.stringMatching(/DENIED.*ghcr.io.*credentials/),
    ]);
    expect(ghcr.seen.length).toBeLessThan(20);
  });

  it('go to the token service and the registry, never to where blobs are redirected', async () => {
    const bytes = noise(2_500_000);
    const elsewhere: (string | undefined)[] = [];
    const store = createServer((req, res) => {
      elsewhere.push(req.headers.authorization);
      // A signature for GET does not hold for HEAD.
      if (req.method === 'HEAD') res.writeHead(403).end();
      else sendRange(req, res, bytes);
    });
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      store.closeAllConnections();
      store.close();
    });
    const redirect = `http://127.0.0.1:${(store.address() as AddressInfo).port}`;
    for (const scheme of ['bearer', 'basic'] as const) {
      const ghcr = await startRegistry({ scheme, user: 'robot:secret', redirect });
      const digest = ghcr.addBlob('org/app', bytes);
      const { get } = await startMirrors({
        'ghcr.io': { url: ghcr.url, username: 'robot', password: 'secret' },
      });
      const answer = await get(`/v2/org/app/blobs/${digest}?ns=ghcr.io`);
      expect(answer.body.equals(bytes)).toBe(true);
      expect(ghcr.shown.at(-1)).toMatch(scheme === 'basic' ? /^Basic / : /^Bearer t\d/);
    }
    expect(elsewhere.length).toBeGreaterThan(4);
    expect(new Set(elsewhere)).toEqual(new Set([undefined]));
  });

  it('are not shown to a token service without TLS by a registry with it, nor are wrong ones tried', async () => {
    const { RegistryAuth } = await import('../../../server/cache/registries/registry-auth.ts');
    const auth = new RegistryAuth({
      base: 'https://ghcr.example',
      credentials: () => Promise.resolve({ kind: 'basic', header: 'Basic secret' }),
      clock: Date.now,
    });
    const challenge = 'Bearer realm="http://ghcr.example/token",service="x"';
    await expect(auth.refused('/v2/a/manifests/1', challenge, undefined)).rejects.toThrow(
      /without TLS/,
    );
    expect(await auth.header('/v2/a/manifests/1')).toBeUndefined();
    expect(await auth.refused('/v2/a/manifests/1', 'Negotiate', undefined)).toBe(false);
  });

  it('that can’t be read stop the start with their path', async () => {
    const folder = await tempFolder();
    const passwordFile = join(folder, 'gone');
    const registries = { 'ghcr.io': { username: 'robot', passwordFile } };
    await expect(startMirrors(registries)).rejects.toThrow(passwordFile);
    await rm(folder, { recursive: true });
  });

  it('that are a token are sent as they are', async () => {
    const ghcr = await startRegistry();
    ghcr.addManifest('org/app', '1', ONE);
    const { status } = await startMirrors({ 'ghcr.io': { url: ghcr.url, token: 'pat' } });
    expect(await status('/v2/org/app/manifests/1?ns=ghcr.io')).toBe(200);
    expect(ghcr.shown).toEqual(['Bearer pat']);
  });
});
