import { gzipSync } from 'node:zlib';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { Builds } from '../../../server/ostree/flat-manager/builds.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { parseRepoName } from '../../../storage/names.ts';
import { problemOf, REPO, startOstreeRig, type NamedBytes, type OstreeRig } from './rig.ts';
import { sampleCommit, type SampleCommit } from './sample-commit.ts';

let rig: OstreeRig;
let token: string;
let reader: string;

beforeAll(async () => {
  rig = await startOstreeRig({ access: { anonymous: ['pull:**'] } });
  token = await rig.origin.makeToken('ci', [`push:${REPO}`]);
  reader = await rig.origin.makeToken('reader', ['pull:**']);
});
afterAll(() => rig.close());

const post = (url: string, body: unknown = {}, secret = token) =>
  fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function createBuild(): Promise<string> {
  const response = await post(`${rig.origin.url}/api/v1/build`, { repo: REPO });
  expect(response.status).toBe(200);
  const location = response.headers.get('location') ?? '';
  expect(location).toContain(`${rig.origin.url}/api/v1/build/`);
  return location;
}

/** A GET with a body, which fetch does not send. */
function missing(build: string, body: Buffer, coding: string): Promise<string> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-encoding': coding,
    'content-type': 'application/json',
    'content-length': body.length,
  };
  return new Promise((resolve, reject) => {
    const asking = request(`${build}/missing_objects`, { method: 'GET', headers }, (res) => {
      text(res).then(resolve, reject);
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

/** As the client's aiohttp writes it. */
function upload(build: string, files: readonly NamedBytes[]): Promise<Response> {
  const parts = files.flatMap(({ name, bytes }) => [
    Buffer.from(
      `--b\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes.length}\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n`,
    ),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ]);
  return fetch(`${build}/upload`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/mixed; boundary="b"' },
    body: Buffer.concat([...parts, Buffer.from('--b--\r\n')]),
  });
}

async function filled(text: string): Promise<SampleCommit & { readonly build: string }> {
  const build = await createBuild();
  const sample = await sampleCommit({ text });
  const wanted = sample.objects.map(({ name }) => name);
  const asked = Buffer.from(JSON.stringify({ wanted }));
  // All of them have one dirmeta.
  const own = wanted.filter((name) => !name.endsWith('.dirmeta'));
  expect(JSON.parse(await missing(build, gzipSync(asked), 'gzip'))).toEqual({
    missing: expect.arrayContaining(own) as string[],
  });
  const delta = { name: `${'A'.repeat(43)}.superblock.delta`, bytes: Buffer.from('delta') };
  expect((await upload(build, [...sample.objects, delta])).status).toBe(200);
  expect(JSON.parse(await missing(build, asked, 'identity'))).toEqual({ missing: [] });
  return { build, ...sample };
}

const refAt = async (ref: string) => (await fetch(`${rig.url}/refs/heads/${ref}`)).text();

describe("flat-manager's protocol", () => {
  it('pushes a build and publishes it, not before it is told to', async () => {
    const { build, commit } = await filled('one');
    const ref = 'app/org.example.App/x86_64/stable';
    expect((await post(`${build}/build_ref`, { ref, commit })).status).toBe(200);
    const committed = await post(`${build}/commit`, { endoflife: null, endoflife_rebase: null });
    const job = await fetch(committed.headers.get('location') ?? '', {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await job.json()).toMatchObject({ status: 2, results: '{}', log: '' });
    expect(await refAt(ref)).toContain('not_found');
    const published = await post(`${build}/publish`);
    expect(await published.json()).toMatchObject({ kind: 'publish', status: 2 });
    expect(await refAt(ref)).toBe(`${commit}\n`);
    const state = await fetch(build, { headers: { authorization: `Bearer ${token}` } });
    expect(await state.json()).toMatchObject({ repo: REPO, published_state: 2 });
    expect((await post(`${build}/purge`)).status).toBe(200);
    expect(await problemOf(await post(`${build}/publish`))).toBe('404 not_found');
  });

  it('publishes no commit that is not whole', async () => {
    const { build } = await filled('two');
    await post(`${build}/build_ref`, { ref: 'app/none', commit: 'ab'.repeat(32) });
    expect(await problemOf(await post(`${build}/publish`))).toBe('422 incomplete');
  });

  it('is for who may push', async () => {
    const build = await createBuild();
    for (const action of ['build_ref', 'commit', 'publish', 'purge', 'upload']) {
      expect(await problemOf(await post(`${build}/${action}`, {}, reader))).toBe('403 denied');
    }
    const create = `${rig.origin.url}/api/v1/build`;
    expect(await problemOf(await post(create, { repo: REPO }, reader))).toBe('403 denied');
    expect(await problemOf(await post(create, { repo: 'else/where' }))).toBe('403 denied');
  });

  it('refuses what it does not understand', async () => {
    const build = await createBuild();
    const create = `${rig.origin.url}/api/v1/build`;
    expect(await problemOf(await post(create, { repo: 'No Name' }))).toBe('400 invalid_name');
    expect(await problemOf(await post(create, { repo: REPO, more: 1 }))).toBe('400 invalid_body');
    expect(await problemOf(await post(`${build}/build_ref`, { ref: '../x', commit: 'x' }))).toBe(
      '400 invalid_body',
    );
    expect(await problemOf(await post(`${create}/${'0'.repeat(32)}/publish`))).toBe(
      '404 not_found',
    );
    expect(await problemOf(await post(`${create}/..%2f..%2fx/publish`))).toMatch(/^404/);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, '['));
    expect(JSON.parse(await missing(build, bomb, 'gzip'))).toMatchObject({ code: 'too_large' });
    expect(JSON.parse(await missing(build, Buffer.from('noise'), 'gzip'))).toMatchObject({
      code: 'invalid_body',
    });
  });

  it('forgets builds that nobody touched for a day', async () => {
    let now = Date.now();
    const catalog = await openSqliteCatalog(':memory:', () => now);
    onTestFinished(() => catalog.close());
    const builds = new Builds(catalog, () => now);
    const repo = parseRepoName(REPO);
    const old = await builds.create(repo);
    now += 25 * 60 * 60 * 1000;
    await builds.create(repo);
    expect(await builds.get(old?.id ?? '')).toBeUndefined();
  });
});
