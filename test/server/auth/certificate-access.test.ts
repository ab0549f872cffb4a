import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { createAccess } from '../../../server/auth/access.ts';
import { mintSecret, secretDigest } from '../../../server/auth/tokens.ts';
import { listen, type HttpServer } from '../../../server/http/http-server.ts';
import { createRegistry } from '../../../server/oci/registry.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { openStore, type OpenedStore } from '../../../server/open-store.ts';
import { StorageError } from '../../../storage/errors.ts';
import { UploadService } from '../../../storage/upload/service.ts';

const NODE = 'uri:spiffe://fleet.example/edge/till-7';

/** What the handshake found is told by a header: `auth/certificates.ts` is tested over TLS. */
describe('access by client certificates', () => {
  let dir = '';
  let store: OpenedStore;
  let server: HttpServer;
  let secret: string;
  let failing = false;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-certificates-'));
    store = await openStore({ data: dir, store: { kind: 'fs' } });
    const { blobs, catalog } = store;
    const logger = createLogger('silent');
    const clock = Date.now;
    const access = createAccess({
      access: {
        anonymous: ['pull:open/*'],
        'uri:spiffe://fleet.example/edge/*': ['pull:edge/**'],
        'cn:till-7': ['push:logs/till-7'],
        'dns:other': ['push:**'],
      },
      tokens: {
        find: (digest) =>
          failing
            ? Promise.reject(new StorageError('unavailable', 'the catalog at /some/path is gone'))
            : catalog.tokens.find(digest),
      },
      signingKeys: catalog.signingKeys,
      clock,
      logger,
      publicUrl: '',
      certificateNames: ({ req }) => {
        const shown = req.headers['x-names'];
        if (shown === 'expired') return { refused: 'it has expired' };
        return typeof shown === 'string' ? shown.split(' ') : [];
      },
    });
    const registry = createRegistry({
      ...{ blobs, catalog, clock, logger, authorize: access.registry },
      uploads: new UploadService({ objects: blobs.objects, catalog, clock }),
    });
    const routes = [access.route, access.token, registry];
    server = await listen({ routes, host: '127.0.0.1', port: 0, logger });
    secret = mintSecret();
    await catalog.tokens.create(secretDigest(secret), { name: 'ci', grants: ['pull:ci/*'] });
  });
  afterAll(async () => {
    await server.close(0);
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    failing = false;
  });

  const ask = (path: string, names?: string, bearer?: string, method = 'GET') =>
    fetch(server.url + path, {
      method,
      headers: {
        ...(names !== undefined && { 'x-names': names }),
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      },
    });
  const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status;
  const tags = (repo: string): string => `/v2/${repo}/tags/list`;

  it('grants what the rules grant to any of its names, and what everyone has', async () => {
    const names = `${NODE} cn:till-7`;
    expect(await status('/v2/', names)).toBe(200);
    for (const repo of ['edge/app', 'edge/a/b', 'logs/till-7', 'open/app']) {
      expect([repo, await status(tags(repo), names)]).toEqual([repo, 404]);
    }
    expect(await status(tags('ci/app'), names)).toBe(403);
    const start = '/v2/logs/till-7/blobs/uploads/';
    expect(await status(start, names, undefined, 'POST')).toBe(202);
    expect(await status(start, NODE, undefined, 'POST')).toBe(403);
    expect(await status(tags('edge/app'))).toBe(401);
  });

  it('does not count when it is refused, also where anybody may read', async () => {
    const answer = await ask(tags('open/app'), 'expired');
    expect(answer.status).toBe(401);
    expect(await answer.text()).toContain('it has expired');
    expect(await status('/v1/token', 'expired')).toBe(401);
    // A token says enough about who calls.
    expect(await status(tags('ci/app'), 'expired', secret)).toBe(404);
  });

  it('goes behind a token that is shown with it', async () => {
    expect(await status(tags('edge/app'), NODE, secret)).toBe(403);
    expect(await status(tags('open/app'), NODE, 'rvt_wrong')).toBe(401);
  });

  it('has tokens signed that are good with that certificate only', async () => {
    const answer = await ask('/v1/token?scope=repository:edge/app:pull,push', NODE);
    const { token, scope } = (await answer.json()) as { token: string; scope: string };
    expect(scope).toBe('repository:edge/app:pull');
    expect(await status(tags('edge/app'), NODE, token)).toBe(404);
    for (const names of [undefined, 'dns:other', 'expired', `${NODE}7`]) {
      expect([names, await status(tags('edge/app'), names, token)]).toEqual([names, 401]);
    }
  });

  it('is not asked about when the catalog fails: that is told as it is', async () => {
    failing = true;
    onTestFinished(() => {
      failing = false;
    });
    const answer = await ask(tags('open/app'), undefined, secret);
    expect(answer.status).toBe(503);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ errors: [{ code: 'UNAVAILABLE' }] });
    expect(text).not.toContain('/some/path');
    const other = await ask('/v1/blobs/x', undefined, secret);
    expect([other.status, other.headers.get('content-type')]).toEqual([
      503,
      'application/problem+json',
    ]);
    expect(await status('/v1/token', undefined, secret)).toBe(503);
    // Who shows no token needs no catalog.
    expect(await status(tags('open/app'))).toBe(404);
  });
});
