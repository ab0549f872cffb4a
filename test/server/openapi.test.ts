import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createBlobRoute } from '../../server/blobs.ts';
import { listen, type HttpServer } from '../../server/http/http-server.ts';
import { loadContract, type Contract, type Operation } from '../../server/http/validate.ts';
import { createRegistry } from '../../server/oci/registry.ts';
import { createLogger } from '../../server/observe/logger.ts';
import { API_OPERATIONS } from '../../server/updates/operations.ts';
import { UploadService } from '../../storage/upload.ts';
import { pushImage, pushIndex } from './sample-image.ts';
import { named, sampleAsk } from './updates/sample.ts';
import { post, STABLE, startOriginFixture, type OriginFixture } from './updates/origin-fixture.ts';

let contract: Contract;
let origin: OriginFixture;
let registry: HttpServer;

beforeAll(async () => {
  contract = await loadContract();
  origin = await startOriginFixture();
  const { blobs, catalog } = origin.store;
  const logger = createLogger('silent');
  const uploads = new UploadService({ objects: blobs.objects, catalog, clock: Date.now });
  registry = await listen({
    routes: [
      createBlobRoute({ blobs }),
      createRegistry({ blobs, catalog, uploads, clock: Date.now, logger }),
    ],
    host: '127.0.0.1',
    port: 0,
    logger,
  });
});

afterAll(async () => {
  await registry.close(0);
  await origin.close();
});

function isRegistryPath(path: string): boolean {
  return path.startsWith('/v2/') || path.startsWith('/v1/blobs/');
}

function key({ method, path, operationId }: Operation): string {
  return `${method} ${path} ${operationId}`;
}

describe('routes and contract', () => {
  it('hold the same API operations', () => {
    const described = contract.operations.filter(({ path }) => !isRegistryPath(path));
    expect(described.map(key).sort()).toEqual(API_OPERATIONS.map(key).sort());
  });

  it('name each operation once', () => {
    const ids = contract.operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  /** The registry's patterns, as it labels its metrics. */
  it('describe every route of the registry', async () => {
    const source = await readFile(new URL('../../server/oci/registry.ts', import.meta.url), 'utf8');
    const labels = [...source.matchAll(/label: '([^']+)'/g)].map((match) => match[1]);
    const described = contract.operations
      .map(({ path }) => path)
      .filter((p) => p.startsWith('/v2'));
    expect(labels.length).toBeGreaterThan(0);
    expect([...new Set(described)].sort()).toEqual(labels.sort());
  });

  it('agree on every method of the registry and of blobs', async () => {
    const paths = new Set(contract.operations.map(({ path }) => path).filter(isRegistryPath));
    for (const path of paths) {
      const described = contract.operations.filter((o) => o.path === path).map((o) => o.method);
      const url = `${registry.url}${path
        .replace('{name}', 'some/where')
        .replace('{reference}', 'latest')
        .replace('{digest}', named('nothing'))
        .replace('{id}', '0'.repeat(32))}`;
      for (const method of ['get', 'head', 'post', 'put', 'patch', 'delete'] as const) {
        const { status } = await fetch(url, { method: method.toUpperCase() });
        const expected = described.includes(method === 'head' ? 'get' : method);
        expect(`${method} ${path} ${status !== 405}`).toBe(`${method} ${path} ${expected}`);
      }
    }
  });

  it('agree that every API operation is answered', async () => {
    for (const { method, path } of API_OPERATIONS) {
      const url = `${origin.server.url}${path.replace('{id}', '0'.repeat(32))}`;
      const { status } = await fetch(url, { method: method.toUpperCase() });
      expect(`${path} ${status === 404 || status === 405 || status >= 500}`).toBe(`${path} false`);
    }
  });
});

/** Looks a dotted chain of members up in the document. */
function lookUp(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    value,
  );
}

describe('examples', () => {
  it.each([
    ['/v1/check', 'CheckRequest'],
    ['/v1/decisions/{id}/events', 'EventsRequest'],
  ])('%s shows a valid body', (path, schema) => {
    const content = ['requestBody', 'content', 'application/json'];
    const example = lookUp(contract.document, 'paths', path, 'post', ...content, 'example');
    expect(example).toBeTypeOf('object');
    expect(contract.faults(schema, example)).toEqual([]);
    expect(contract.faults(schema, { ...(example as object), unknown: 1 })).not.toEqual([]);
  });
});

describe('what a live server answers', () => {
  beforeAll(async () => {
    const image = await pushImage(origin.target, { os: 'linux', architecture: 'amd64' }, [
      { hello: Buffer.from('hello') },
    ]);
    await pushIndex(origin.target, [image], STABLE);
    const repo = origin.target.repo;
    const platform = 'linux/amd64';
    const { deltas } = origin.store.catalog;
    await deltas.ensure([{ repo, tag: STABLE, platform, from: named('v1'), to: image.digest }]);
    const claim = await deltas.claim('test', 60_000);
    if (claim === undefined) throw new Error('nothing to claim');
    await deltas.publish(claim.delta.id, claim.lease, {
      digest: named('delta'),
      size: 10,
      fullSize: 100,
      ramBytes: 1,
      buildMs: 1,
      applyMs: 1,
      codecs: { copy: { files: 1, bytes: 5 } },
    });
  });

  it.each([
    ['/v1/deltas', 'DeltasResponse'],
    ['/v1/releases', 'ReleasesResponse'],
    ['/v1/devices', 'DevicesResponse'],
    ['/v1/status', 'StatusResponse'],
    ['/livez', 'Health'],
    ['/readyz', 'Health'],
  ])('%s is a %s', async (path, schema) => {
    await origin.check(sampleAsk('v1'));
    const body: unknown = await (await fetch(`${origin.server.url}${path}`)).json();
    expect(contract.faults(schema, body)).toEqual([]);
    const list = path === '/v1/status' ? 'heads' : path.slice('/v1/'.length);
    if (path.startsWith('/v1/')) expect(lookUp(body, list)).toHaveLength(1);
  });

  it('a check is a Decision, and its report is filed', async () => {
    const response = await origin.check(sampleAsk('v1'));
    expect(response.status).toBe(200);
    const decision = (await response.json()) as { id: string; target: { digest: string } };
    expect(contract.faults('Decision', decision)).toEqual([]);
    const filed = await post(origin.server, `/v1/decisions/${decision.id}/events`, {
      decision: {
        product: 'demo/app',
        channel: 'stable',
        platform: 'linux/amd64',
        from: named('v1'),
        to: decision.target.digest,
      },
      events: [{ seq: 1, type: 'downloading', atMs: 1, plan: 'delta' }],
    });
    expect(contract.faults('EventsResponse', await filed.json())).toEqual([]);
  });

  it.each([
    ['/v2/', undefined],
    ['/v2/_catalog', 'RepositoryList'],
    ['/v2/demo/app/tags/list', 'TagList'],
    [`/v2/demo/app/manifests/missing`, 'RegistryErrors'],
    [`/v1/blobs/${named('nothing')}`, 'Problem'],
  ])('%s answers as described', async (path, schema) => {
    const body: unknown = await (await fetch(`${registry.url}${path}`)).json();
    if (schema !== undefined) expect(contract.faults(schema, body)).toEqual([]);
    else expect(body).toEqual({});
  });
});
