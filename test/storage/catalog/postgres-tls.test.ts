import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { openPostgresCatalog } from '../../../storage/catalog/postgres/catalog.ts';
import type { PostgresTls } from '../../../storage/catalog/postgres/location.ts';
import { Authority } from '../../server/tls/authority.ts';
import { needPostgres, startPostgres, type PostgresServer } from '../../support/postgres.ts';

const bin = needPostgres();

describe.skipIf(bin === undefined)('PostgreSQL with TLS', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rivulet-pg-tls-'));
  const [ours, another] = [new Authority(dir, 'ours'), new Authority(dir, 'another')];
  let server: PostgresServer;
  /** By a name that its certificate has. */
  let named = '';
  /** By one that it lacks. */
  let misnamed = '';

  beforeAll(async () => {
    const pair = ours.leaf('database', { san: 'DNS:localhost' });
    server = await startPostgres(bin ?? '', [], pair);
    misnamed = await server.makeDatabase();
    named = misnamed.replace('127.0.0.1', 'localhost');
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function open(url: string, tls?: PostgresTls): Promise<void> {
    const catalog = await openPostgresCatalog({ url, poolSize: 1, tls }, Date.now);
    onTestFinished(() => catalog.close());
    await catalog.ping();
  }

  const verified = (url: string, { certFile }: Authority): string =>
    `${url}?sslmode=verify-full&sslrootcert=${encodeURIComponent(certFile)}`;

  async function encrypted(): Promise<readonly unknown[]> {
    return server.run(
      named,
      `select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid)
       where application_name = 'rivulet'`,
    );
  }

  test('is used where the URL says sslmode=verify-full and names the authority', async () => {
    await open(verified(named, ours));
    expect(await encrypted()).toEqual([{ ssl: true }]);
  });

  test('is used where the settings name the authority', async () => {
    await open(named, { ca: ours.cert });
    expect(await encrypted()).toEqual([{ ssl: true }]);
  });

  test('another authority, a wrong name, and TLS said twice are refused, with what to do', async () => {
    const variants: readonly (readonly [url: string, tls: PostgresTls | undefined, RegExp])[] = [
      [verified(named, another), undefined, /certificate.*name the authority/],
      [`${named}?sslmode=verify-full`, undefined, /certificate.*name the authority/],
      [named, { ca: another.cert }, /certificate.*name the authority/],
      [verified(misnamed, ours), undefined, /altnames.*name it in catalog\.url as its certificate/],
      [misnamed, { ca: ours.cert }, /altnames.*name it in catalog\.url as its certificate/],
      [`${named}?sslmode=disable`, { ca: ours.cert }, /sslmode.*catalog\.tls.*leave one out/],
    ];
    for (const [url, tls, said] of variants) {
      const error: unknown = await open(url, tls).catch((reason: unknown) => reason);
      expect(error, url).toMatchObject({ code: 'unavailable', retryable: false });
      expect((error as Error).message).toMatch(said);
      expect((error as Error).message).not.toContain(server.password);
    }
  });

  test('a server without TLS is refused where it is asked for', async () => {
    const plain = await startPostgres(bin ?? '');
    onTestFinished(() => plain.stop());
    const url = `${await plain.makeDatabase()}?sslmode=verify-full`;
    await expect(open(url)).rejects.toMatchObject({
      ...{ code: 'unavailable', retryable: false },
      message: expect.stringContaining('set ssl = on') as string,
    });
  });
});
