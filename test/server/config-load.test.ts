import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { loadCacheConfig, loadServerConfig } from '../../server/config-load.ts';
import { ServerError } from '../../server/errors.ts';

describe('configuration', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-config-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  async function file(text: string): Promise<string> {
    const path = join(dir, 'rivulet.yaml');
    await writeFile(path, text);
    return path;
  }

  it('needs nothing: the defaults are the embedded server', async () => {
    const config = await loadServerConfig({ flags: {}, env: {} });
    expect(config.data).toBe('./rivulet-data');
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 8480 });
    expect(config.store.kind).toBe('fs');
    expect(config.matrix.releases).toBe(3);
    expect(Object.isFrozen(config.matrix)).toBe(true);
  });

  it('takes flags over the environment over the file', async () => {
    const path = await file('data: /from-file\nworkers: 2\nlogLevel: warn\n');
    const config = await loadServerConfig({
      flags: { data: '/from-flag', workers: undefined },
      env: { RIVULET_DATA: '/from-env', RIVULET_WORKERS: '3', RIVULET_MATRIX_LEASE_MS: '5000' },
      file: path,
    });
    expect(config.data).toBe('/from-flag');
    expect(config.workers).toBe(3);
    expect(config.logLevel).toBe('warn');
    expect(config.matrix.leaseMs).toBe(5000);
  });

  it('lists every fault at once and refuses unknown keys', async () => {
    const path = await file('workers: many\ncolour: blue\nmatrix: { leaseMs: -1 }\n');
    const error = await loadServerConfig({ flags: {}, env: {}, file: path }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ServerError);
    expect((error as ServerError).code).toBe('config');
    expect((error as ServerError).message).toMatch(/3 faults/);
    expect((error as ServerError).message).toContain('colour');
    expect((error as ServerError).message).toContain('workers');
    expect((error as ServerError).message).toContain('matrix.leaseMs');
  });

  it('takes a catalog on PostgreSQL by its URL, from the environment as well', async () => {
    const url = 'postgres://rivulet:secret@db.lan/rivulet';
    const fromEnv = await loadServerConfig({ flags: {}, env: { RIVULET_CATALOG_URL: url } });
    expect(fromEnv.catalog).toEqual({ kind: 'postgres', url, poolSize: 8 });
    const path = await file('catalog: { urlFile: /run/url, poolSize: 3, tls: { ca: ca.pem } }\n');
    const fromFile = await loadServerConfig({ flags: {}, env: {}, file: path });
    const location = { urlFile: '/run/url', poolSize: 3, tls: { ca: 'ca.pem' } };
    expect(fromFile.catalog).toEqual({ kind: 'postgres', ...location });
    expect((await loadServerConfig({ flags: {}, env: {} })).catalog).toEqual({ kind: 'sqlite' });
  });

  it.each([
    ['catalog: { kind: postgres }', 'url or urlFile'],
    ['catalog: { url: "postgres://h/d", urlFile: f }', 'both url and urlFile'],
    ['catalog: { kind: sqlite, url: "postgres://h/d" }', 'kind sqlite and a url'],
    ['catalog: { url: "mysql://u:secret@h/d" }', 'catalog.url'],
    ['catalog: { tls: { cert: c.pem } }', 'catalog.tls'],
  ])('refuses %s', async (text, fault) => {
    const error = await loadServerConfig({ flags: {}, env: {}, file: await file(text) }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'config' });
    expect(String(error)).toContain(fault);
    expect(String(error)).not.toContain('secret');
  });

  it('asks for what an S3 store needs', async () => {
    const load = loadServerConfig({ flags: {}, env: { RIVULET_STORE_KIND: 's3' } });
    await expect(load).rejects.toThrow(/endpoint.*bucket.*accessKey.*secretKey/);
  });

  it.each(['8480', 'localhost', '127.0.0.1:99999', '127.0.0.1:port'])(
    'refuses to listen on %s',
    async (listen) => {
      await expect(loadServerConfig({ flags: { listen }, env: {} })).rejects.toThrow(/HOST:PORT/);
    },
  );

  it('listens on an IPv6 address in brackets', async () => {
    const { listen } = await loadServerConfig({ flags: { listen: '[::1]:0' }, env: {} });
    expect(listen).toEqual({ host: '::1', port: 0 });
  });

  it('names a file that is not there, or is not a mapping', async () => {
    const missing = join(dir, 'none.yaml');
    await expect(loadServerConfig({ flags: {}, env: {}, file: missing })).rejects.toThrow(missing);
    const list = await file('- a\n');
    await expect(loadServerConfig({ flags: {}, env: {}, file: list })).rejects.toThrow(/mapping/);
  });

  it('wants an upstream and a region for a cache', async () => {
    await expect(loadCacheConfig({ flags: {}, env: {} })).rejects.toThrow(/upstream.*region/);
    const config = await loadCacheConfig({
      flags: { upstream: 'http://127.0.0.1:1', region: 'eu' },
      env: {},
    });
    expect(config.mirror).toBe(true);
  });

  it('takes a mirror policy in its short and long forms, and looks at its windows', async () => {
    const cache = { upstream: 'http://127.0.0.1:1', region: 'eu' };
    const load = async (text: string, env = {}) =>
      (await loadCacheConfig({ flags: cache, env, file: await file(text) })).mirror;
    expect(await load('')).toBe(true);
    expect(await load('', { RIVULET_MIRROR: 'false' })).toBe(false);
    const rule = "{ repositories: 'shop/**', what: [deltas] }";
    const whole = { repositories: 'shop/**', tags: '**', what: ['deltas'], fromScratch: false };
    expect(await load(`mirror: [${rule}]`)).toEqual([whole]);
    const long = `mirror: { rules: [${rule}], windows: 'Mon-Fri 02:00-05:00', maxBps: 1000 }`;
    expect(await load(long, { RIVULET_MIRROR_ZONE: 'Europe/Berlin' })).toEqual({
      rules: [whole],
      windows: 'Mon-Fri 02:00-05:00',
      zone: 'Europe/Berlin',
      maxBps: 1000,
      budget: 0.5,
    });
    for (const [text, fault] of [
      ["mirror: { windows: 'at night' }", 'mirror.windows and mirror.zone: expected a window'],
      ["mirror: { windows: '02:00-03:00', zone: Nowhere }", 'expected a time zone'],
      ["mirror: [{ repositories: 'a', what: [everything] }]", 'must be one of deltas, chunks'],
      ["mirror: [{ repositories: 'a' }]", "'what'"],
      ['mirror: { budget: 2 }', 'mirror.budget must be <= 1'],
      ['mirror: often', 'mirror must be boolean,array,object'],
    ] as const) {
      await expect(load(text), text).rejects.toThrow(fault);
    }
  });
});
