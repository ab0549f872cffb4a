import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createBlobRoute } from '../../server/blobs.ts';
import { listen, type HttpServer } from '../../server/http/http-server.ts';
import { PROBLEM_CODES } from '../../server/http/errors.ts';
import { loadContract, type Contract } from '../../server/http/validate.ts';
import { OCI_ERROR_CODES } from '../../server/oci/errors.ts';
import { createRegistry } from '../../server/oci/registry.ts';
import { createLogger } from '../../server/observe/logger.ts';
import { UploadService } from '../../storage/upload/service.ts';
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

/** Looks a dotted chain of members up in the document. */
function lookUp(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    value,
  );
}

describe('codes', () => {
  it.each([
    ['ProblemCode', PROBLEM_CODES],
    ['RegistryErrorCode', OCI_ERROR_CODES],
  ])('%s lists what the code has, no more and no less', (schema, codes) => {
    const described = lookUp(contract.document, 'components', 'schemas', schema, 'enum');
    expect([...(described as string[])].sort()).toEqual([...codes].sort());
  });
});

describe('examples', () => {
  it.each([
    ['/v1/check', 'image', 'CheckRequest'],
    ['/v1/check', 'commit', 'OstreeCheckRequest'],
    ['/v1/decisions/{id}/events', 'image', 'EventsRequest'],
    ['/v1/decisions/{id}/events', 'commit', 'OstreeEventsRequest'],
  ])('%s shows a valid body of an %s', (path, name, schema) => {
    const content = ['requestBody', 'content', 'application/json', 'examples', name, 'value'];
    const example = lookUp(contract.document, 'paths', path, 'post', ...content);
    expect(example).toBeTypeOf('object');
    expect(contract.faults(schema, example)).toEqual([]);
    expect(contract.faults(schema, { ...(example as object), unknown: 1 })).not.toEqual([]);
  });

  it.each([
    ['image', 'Decision'],
    ['commit', 'OstreeDecision'],
  ])('of an answer to a check, of an %s', (name, schema) => {
    const content = ['content', 'application/json', 'examples', name, 'value'];
    const path = ['paths', '/v1/check', 'post', 'responses', '200'];
    expect(contract.faults(schema, lookUp(contract.document, ...path, ...content))).toEqual([]);
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
    await deltas.ensure([{ repo, tag: STABLE, platform, from: named('v1'), to: image.digest }], 0);
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
      events: [
        { seq: 1, type: 'downloading', atMs: 1, plan: 'delta' },
        { seq: 2, type: 'applied', atMs: 2, plan: 'delta', bytes: 10, wireBytes: 14 },
      ],
    });
    expect(contract.faults('EventsResponse', await filed.json())).toEqual([]);
    const listed: unknown = await (await fetch(`${origin.server.url}/v1/devices`)).json();
    expect(contract.faults('DevicesResponse', listed)).toEqual([]);
    expect(listed).toMatchObject({
      devices: [{ lastUpdate: { to: decision.target.digest, bytes: 10, wireBytes: 14 } }],
    });
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
