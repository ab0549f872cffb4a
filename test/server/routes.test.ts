import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { loadContract, type Contract } from '../../server/http/validate.ts';
import { API_OPERATIONS } from '../../server/updates/operations.ts';
import {
  startLiveCache,
  startLiveOrigin,
  type LiveOrigin,
  type LiveServer,
} from './live-servers.ts';
import { named } from './updates/sample.ts';

const SERVER = resolve(import.meta.dirname, '../../server');
/** What registry clients and OAuth2's expect of the token flow. */
const FORMS: Readonly<Record<string, readonly string[]>> = {
  'get /v1/token 401': ['application/json'],
  'post /v1/token 401': ['application/json'],
  'post /v1/token 400': ['application/json', 'application/problem+json'],
};
const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;

let dir: string;
let contract: Contract;
let origin: LiveOrigin;
let cache: LiveServer;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-routes-'));
  contract = await loadContract();
  origin = await startLiveOrigin(dir);
  cache = await startLiveCache(dir, origin.url);
});
afterAll(async () => {
  await cache.close();
  await origin.close();
  await rm(dir, { recursive: true, force: true });
});

/** Every pattern that a route of the sources names itself by, in metrics and logs. */
function routesInCode(): ReadonlySet<string> {
  const found = new Set<string>(API_OPERATIONS.map(({ path }) => path));
  const files = readdirSync(SERVER, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const text = readFileSync(join(SERVER, file), 'utf8');
    for (const [, path] of text.matchAll(/(?:\blabel: |\broute = |^ {2}\[)'(\/[^']+)'/gm)) {
      if (path !== undefined) found.add(path);
    }
  }
  return found;
}

/** The methods that the contract gives a path; HEAD goes with GET. */
function methodsOf(path: string): readonly string[] {
  const described = contract.operations.filter((o) => o.path === path).map((o) => o.method);
  return described.includes('get') ? [...new Set([...described, 'head'])] : described;
}

function paths(): readonly string[] {
  return [...new Set(contract.operations.map(({ path }) => path))];
}

/** A request for the pattern, of something that is not there. */
function probe({ url }: LiveServer, path: string, method: string): Promise<Response> {
  const target = path
    .replace('/v2/{name}', '/v2/some/where')
    .replace('{name}', 'nobody')
    .replace('{repo}', 'some/where')
    .replace('{path}', 'config')
    .replace('{kind}', 'commit')
    .replace('{ref}', 'os/stable')
    .replace('{commit}', 'ab'.repeat(32))
    .replace('{reference}', 'latest')
    .replace('{digest}', named('nothing'))
    .replace('{id}', '0'.repeat(32));
  return fetch(url + target, { method: method.toUpperCase() });
}

describe('routes and contract', () => {
  it('hold the same API operations', () => {
    const key = ({ method, path, operationId }: (typeof API_OPERATIONS)[number]) =>
      `${method} ${path} ${operationId}`;
    const described = contract.operations.map(
      ({ method, path, operationId }) => `${method} ${path} ${operationId}`,
    );
    expect(described).toEqual(expect.arrayContaining(API_OPERATIONS.map(key)));
  });

  it('name each operation once', () => {
    const ids = contract.operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are the same paths, each way', () => {
    const code = routesInCode();
    expect(code.size).toBeGreaterThan(15);
    expect([...code].sort()).toEqual([...paths()].sort());
  });

  it('agree on every method at an origin, and on what Allow says', async () => {
    for (const path of paths()) {
      const expected = methodsOf(path);
      for (const method of METHODS) {
        const response = await probe(origin, path, method);
        const { status } = response;
        const body = await response.text();
        const refused = `${method} ${path} ${status === 405 ? 'refused' : 'answered'}`;
        expect(refused).toBe(
          `${method} ${path} ${expected.includes(method) ? 'answered' : 'refused'}`,
        );
        expect(body, `${method} ${path}`).not.toContain('nothing answers');
        if (status !== 405) continue;
        const allowed = (response.headers.get('allow') ?? '').toLowerCase().split(', ');
        expect(`${path} ${allowed.sort().join()}`).toBe(`${path} ${[...expected].sort().join()}`);
      }
    }
  });

  it('let a cache answer only what the contract says', async () => {
    for (const { method, path, operationId } of contract.operations) {
      const response = await probe(cache, path, method);
      await response.arrayBuffer();
      const described = statusesOf(contract, method, path);
      expect(described, `${operationId} ${response.status}`).toContain(response.status.toString());
    }
  });

  it('make a cache refuse every method that an origin has not', async () => {
    for (const path of paths()) {
      for (const method of METHODS.filter((name) => !methodsOf(path).includes(name))) {
        const { status } = await probe(cache, path, method);
        expect([404, 405], `${method} ${path} ${status}`).toContain(status);
      }
    }
  });

  /** Shown by every server: the general part of the contract. */
  it('give every operation a description, a request id and the refusals that any request can meet', () => {
    for (const { method, path } of contract.operations) {
      const operation = lookUp(contract.document, 'paths', path, method);
      const statuses = statusesOf(contract, method, path);
      expect(lookUp(operation, 'description'), `${method} ${path}`).toBeTypeOf('string');
      expect(statuses, `${method} ${path}`).toEqual(
        expect.arrayContaining(['400', '429', '431', '500']),
      );
      for (const status of statuses) {
        const response = follow(lookUp(operation, 'responses', status));
        const where = `${method} ${path} ${status}`;
        expect(lookUp(response, 'headers', 'X-Request-Id'), where).toBeDefined();
        if (Number(status) < 400 || method === 'head') continue;
        const content = Object.keys(lookUp(response, 'content') ?? {});
        const registry = path.startsWith('/v2/') && status !== '431';
        const forms = registry ? ['application/json'] : ['application/problem+json'];
        expect(content, where).toEqual(FORMS[`${method} ${path} ${status}`] ?? forms);
      }
    }
  });
});

function statusesOf({ document }: Contract, method: string, path: string): readonly string[] {
  return Object.keys(lookUp(document, 'paths', path, method, 'responses') as object);
}

/** What a `$ref` within the contract leads to. */
function follow(value: unknown): unknown {
  const ref = lookUp(value, '$ref');
  return typeof ref === 'string' ? lookUp(contract.document, ...ref.split('/').slice(1)) : value;
}

function lookUp(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    value,
  );
}
