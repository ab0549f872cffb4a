import { request } from 'node:http';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseObjectKey } from '../../../storage/keys.ts';
import { startLiveOrigin, type LiveOrigin } from '../live-servers.ts';

const SECRET = 'outside of the store';

/** Parts of paths that lead elsewhere, in the ways in which they may be written. */
const part = fc.oneof(
  fc.constantFrom('..', '.', '%2e%2e', '%2E.', '%252e%252e', '..%2f..', '..%5c', '%5c..%5c', '//'),
  fc.constantFrom(
    '%00',
    '%0a',
    '%0d%0aX:%20y',
    '%c0%ae%c0%ae',
    '%ff',
    '%zz',
    '%',
    '~',
    'a%20b',
    '"',
  ),
  fc.constantFrom('a', 'open', 'app', 'blobs', 'manifests', 'uploads', 'tags', 'list', 'sha256'),
  fc.constantFrom('catalog.sqlite', 'secret', 'etc/passwd', '_catalog', '-', 'a'.repeat(300)),
  fc
    .string({ unit: 'binary', maxLength: 8 })
    .map((text) => encodeURIComponent(Buffer.from(text).toString())),
);
const path = fc.array(part, { maxLength: 6 }).map((parts) => parts.join('/'));
/** Some names are good, so that what follows them is looked at. */
const repo = fc.oneof(path, fc.constantFrom('team/app', 'a'));
const digest = fc.oneof(
  part,
  fc.constantFrom(
    'sha256:../../secret',
    'sha256:',
    'md5:0',
    'sha512:00',
    'sha256%3a..%2f..%2fsecret',
  ),
  fc.stringMatching(/^sha256:[0-9a-fA-F.%/]{60,66}$/),
);
const target = fc.oneof(
  fc.tuple(repo, digest).map(([name, tail]) => `/v2/${name}/blobs/${tail}`),
  fc.tuple(repo, digest).map(([name, tail]) => `/v2/${name}/manifests/${tail}`),
  fc.tuple(repo, part).map(([name, tail]) => `/v2/${name}/blobs/uploads/${tail}`),
  repo.map((name) => `/v2/${name}/blobs/uploads/`),
  fc.tuple(repo, digest).map(([name, tail]) => `/v2/${name}/blobs/uploads/?digest=${tail}`),
  fc
    .tuple(repo, digest, repo)
    .map(([n, d, from]) => `/v2/${n}/blobs/uploads/?mount=${d}&from=${from}`),
  fc.tuple(repo, digest).map(([name, tail]) => `/v2/${name}/referrers/${tail}`),
  digest.map((tail) => `/v1/blobs/${tail}`),
  path.map((tail) => `/v1/tokens/${tail}`),
  path.map((tail) => `/${tail}`),
);
const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE');

/** The target goes out byte for byte: `fetch` would tidy it up. */
function send(
  url: string,
  what: { method: string; path: string; secret?: string | undefined },
): Promise<{ status: number; text: string; challenge: string }> {
  const { hostname, port } = new URL(url);
  const headers = what.secret === undefined ? {} : { authorization: `Bearer ${what.secret}` };
  const body = ['POST', 'PUT', 'PATCH'].includes(what.method) ? 'bytes' : undefined;
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method: what.method, path: what.path };
    const req = request({ ...options, headers }, (res) => {
      let text = '';
      res.setEncoding('latin1');
      res.on('data', (more: string) => (text += more));
      res.on('end', () => {
        const challenge = res.headers['www-authenticate'] ?? '';
        resolve({ status: res.statusCode ?? 0, text, challenge });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

describe('names, digests and paths', () => {
  let dir = '';
  let open: LiveOrigin;
  let closed: LiveOrigin;
  let narrow: string;
  let admin: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-escape-'));
    await writeFile(join(dir, 'secret'), SECRET);
    open = await startLiveOrigin(dir, { data: join(dir, 'open') });
    closed = await startLiveOrigin(dir, { data: join(dir, 'closed'), access: {} });
    narrow = await closed.makeToken('narrow', ['push:team/**', 'delete:team/**']);
    admin = await closed.makeToken('admin', ['admin:**']);
  });
  afterAll(async () => {
    await closed.close();
    await open.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** Everything beside the stores, and in them what is no object. */
  async function strangers(): Promise<readonly string[]> {
    const all = await readdir(dir, { recursive: true, withFileTypes: true });
    return all
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
      .filter((name) => !/^(open|closed)\/store\/(tmp|blobs|uploads)\//.test(name))
      .map((name) => name.replace(/-(shm|wal|journal)$/, ''))
      .filter((name, at, names) => names.indexOf(name) === at)
      .sort();
  }

  it('never lead out of the store, and are answered 2xx or 4xx', async () => {
    const before = await strangers();
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(
        method,
        target,
        fc.constantFrom('open', 'nobody', 'narrow', 'admin'),
        async (...ask) => {
          const [verb, where, who] = ask;
          const server = who === 'open' ? open : closed;
          const secret = { open: undefined, nobody: undefined, narrow, admin }[who];
          const { status, text, challenge } = await send(server.url, {
            ...{ method: verb, path: where, secret },
          });
          expect(status).toSatisfy(
            (code: number) => (code >= 200 && code < 300) || (code >= 400 && code < 500),
          );
          seen.add(status);
          expect(text).not.toContain(SECRET);
          expect(challenge).not.toMatch(/[\r\n]/);
        },
      ),
      { numRuns: 1500 },
    );
    expect(await strangers()).toEqual(before);
    expect(before).toContain('secret');
    // It got as far as each kind of answer.
    expect([...seen]).toEqual(expect.arrayContaining([202, 400, 401, 403, 404, 405]));
  });

  it('let nobody in whom the name does not name', async () => {
    await fc.assert(
      fc.asyncProperty(path, async (name) => {
        const { status } = await send(closed.url, {
          ...{ method: 'POST', path: `/v2/${name}/blobs/uploads/`, secret: narrow },
        });
        if (status === 202) expect(decodeURIComponent(name)).toMatch(/^team(\/[a-z0-9._-]+)*$/);
        const nobody = await send(closed.url, { method: 'GET', path: `/v2/${name}/tags/list` });
        expect(nobody.status).toBeGreaterThanOrEqual(400);
      }),
      { numRuns: 300 },
    );
  });

  it('become no key that the store would not have built', () => {
    fc.assert(
      fc.property(fc.oneof(path, fc.string({ unit: 'binary' })), (text) => {
        let key: string;
        try {
          key = parseObjectKey(text);
        } catch {
          return;
        }
        expect(key).toMatch(/^(blobs|uploads)(\/[a-z0-9]+)+$/);
      }),
    );
  });
});
