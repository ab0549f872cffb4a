import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { CATALOG_STEPS } from '../../../storage/catalog/migrations.ts';
import { openPostgresCatalog } from '../../../storage/catalog/postgres/catalog.ts';
import { openPostgres } from '../../../storage/catalog/postgres/database.ts';
import { postgresMigrations } from '../../../storage/catalog/postgres/ddl.ts';
import { parseRepoName } from '../../../storage/names.ts';
import { catalogSuite } from '../../suites/catalog.ts';
import { named, REPO } from '../../suites/catalog/names.ts';
import { batchOf, tree } from '../../suites/catalog/ostree-names.ts';
import { pair } from '../../suites/catalog/pairs.ts';
import { needPostgres, startPostgres, type PostgresServer } from '../../support/postgres.ts';

const bin = needPostgres();

describe.skipIf(bin === undefined)('PostgreSQL', () => {
  let server: PostgresServer;
  let template: string;

  beforeAll(async () => {
    server = await startPostgres(bin ?? '');
    template = await server.makeDatabase();
    await (await openPostgresCatalog({ url: template, poolSize: 1 }, Date.now)).close();
  });
  afterAll(() => server.stop());

  const open = async (url: string, poolSize = 4): Promise<Catalog> => {
    const catalog = await openPostgresCatalog({ url, poolSize }, Date.now);
    onTestFinished(() => catalog.close());
    return catalog;
  };

  describe('the catalog', () => {
    catalogSuite(
      async (clock) => {
        const url = await server.makeDatabase(template);
        return openPostgresCatalog({ url, poolSize: 4 }, clock);
      },
      { countsOnce: false },
    );
  });

  describe('the schema', () => {
    test('nodes that start at once make it once; a newer one is refused', async () => {
      const url = await server.makeDatabase();
      await Promise.all(Array.from({ length: 8 }, () => open(url)));
      const [row] = await server.run(url, 'select count(*), max(version) from catalog_version');
      expect(row).toEqual({ count: '1', max: String(CATALOG_STEPS.at(-1)?.version) });
      await server.run(url, 'update catalog_version set version = version + 1');
      await expect(open(url)).rejects.toMatchObject({ code: 'conflict' });
    });

    test('a step that fails leaves nothing of itself, and is done by the next', async () => {
      const url = await server.makeDatabase();
      const steps = postgresMigrations(CATALOG_STEPS);
      const broken = { version: 99, statements: ['create table x ()', 'no sql'] };
      const failing = openPostgres({ url, poolSize: 1 }, [...steps, broken]);
      await expect(failing).rejects.toMatchObject({ code: 'unavailable' });
      const tables = `select count(*) from pg_tables where schemaname = 'public'`;
      expect(await server.run(url, tables)).toEqual([{ count: '0' }]);
      await (await open(url)).ping();
    });

    test('a catalog of an earlier program is brought up to date', async () => {
      const url = await server.makeDatabase();
      const steps = postgresMigrations(CATALOG_STEPS);
      const { db } = await openPostgres({ url, poolSize: 1 }, steps.slice(0, 5));
      await db.destroy();
      await server.run(
        url,
        `insert into devices values ('till-1', 'p', 'c', 'linux/arm64', 'eu', null, 7)`,
      );
      await server.run(url, `insert into packs values ('sha256:p', 500)`);
      await server.run(url, `insert into chunks values ('${named('c')}', 'sha256:p', 30, 10, 20)`);
      const { fleet, layers } = await open(url);
      expect(await fleet.devices({ limit: 2 })).toMatchObject([{ id: 'till-1', kind: 'oci' }]);
      expect(await layers.findChunks([named('c')])).toMatchObject([{ offset: 30, length: 10 }]);
    });

    test.each([
      [45_000, 'seconds ahead of'],
      [-45_000, 'seconds behind'],
    ])('a machine whose clock is %i ms apart neither names nor collects', async (apart, said) => {
      const { repositories, layers, gc } = await open(await server.makeDatabase(template));
      const right = Date.now.bind(Date);
      const wrong = vi.spyOn(Date, 'now').mockImplementation(() => right() + apart);
      onTestFinished(() => {
        wrong.mockRestore();
      });
      const cutoff = { unnamedBeforeMs: 0, retiredBeforeMs: 0, keptCommits: 1, liveSinceMs: 0 };
      const attempts = [
        () => repositories.linkBlob(REPO, named('blob'), 1),
        () => gc.condemn([named('other')], cutoff, Date.now() + 1000),
      ];
      const refused = { code: 'unavailable', message: expect.stringContaining(said) as string };
      for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject(refused);
      // All else goes on.
      await layers.ensure(named('layer'), 'tar');
      expect(await repositories.hasBlob(REPO, named('blob'))).toBe(false);
      wrong.mockRestore();
      for (const attempt of attempts) await attempt();
    });

    test('names are in the order of their bytes, whatever the database says', async () => {
      const { repositories } = await open(await server.makeDatabase(template));
      const names = ['a-b', 'a.b', 'a/b', 'ab', 'a_b', 'b'];
      for (const name of names) await repositories.linkBlob(parseRepoName(name), named('x'), 1);
      expect(await repositories.list({ limit: 9 })).toEqual(names.toSorted());
    });
  });

  describe('many processes', () => {
    test('one row is claimed once, by whoever asks and however many ask', async () => {
      const url = await server.makeDatabase(template);
      const [one, two] = [await open(url), await open(url)];
      await one.deltas.ensure(
        Array.from({ length: 20 }, (_, n) => pair(`v${n}`, 'new')),
        0,
      );
      const claims = await Promise.all(
        Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? one : two).deltas.claim('w', 60_000)),
      );
      const ids = claims.flatMap((claim) => (claim === undefined ? [] : [claim.delta.id]));
      expect([ids.length, new Set(ids).size]).toEqual([20, 20]);
    });

    test('a layer and the manifest that wants it chunked come at once, and neither is overlooked', async () => {
      const url = await server.makeDatabase(template);
      const [one, two] = [await open(url), await open(url)];
      const count = 25;
      await Promise.all(
        Array.from({ length: count }, async (_, n) => {
          const digest = named(`layer ${n}`);
          const row = { digest: named(`m ${n}`), mediaType: 'm', size: 1 };
          const child = { digest, kind: 'layer', tarType: 'tar' } as const;
          await Promise.all([
            one.repositories.linkBlob(REPO, digest, 1),
            two.repositories.putManifest(REPO, row, [child]),
          ]);
        }),
      );
      expect(await one.layers.counts()).toMatchObject({ pending: count });
    });

    test('the same objects pushed at once, by several, are stored once and whole', async () => {
      const url = await server.makeDatabase(template);
      const catalogs = [await open(url), await open(url), await open(url)];
      const { all, commit } = tree('c', ['a', 'b']);
      await Promise.all(
        Array.from({ length: 12 }, (_, n) =>
          at(catalogs, n).ostree.addObjects(
            REPO,
            batchOf(...(n % 2 === 0 ? all : all.toReversed())),
          ),
        ),
      );
      expect(await at(catalogs, 0).ostree.closureGaps(REPO, commit.name.checksum, 9)).toEqual([]);
    });

    test('a blob that is named while it is condemned is refused, or kept', async () => {
      const url = await server.makeDatabase(template);
      const [one, two] = [await open(url), await open(url)];
      const cutoff = { unnamedBeforeMs: 0, retiredBeforeMs: 0, keptCommits: 1, liveSinceMs: 0 };
      for (let round = 0; round < 20; round += 1) {
        const digest = named(`blob ${round}`);
        const [linked, condemned] = await Promise.all([
          one.repositories.linkBlob(REPO, digest, 1).then(
            () => true,
            () => false,
          ),
          two.gc.condemn([digest], cutoff, Date.now() + 60_000),
        ]);
        expect(condemned.has(digest)).toBe(!linked);
      }
    });
  });

  describe('removals', () => {
    test('of another process are told; while nobody listens there is no epoch', async () => {
      const url = await server.makeDatabase(template);
      const [one, two] = [await open(url), await open(url)];
      await one.repositories.linkBlob(REPO, named('x'), 1);
      await vi.waitUntil(() => two.removalEpoch() !== undefined);
      const before = two.removalEpoch();
      await one.repositories.unlinkBlob(REPO, named('x'));
      await vi.waitUntil(() => two.removalEpoch() !== before);
      const told = await vi.waitUntil(() => two.removalEpoch());
      await server.crash(() =>
        vi.waitUntil(() => two.removalEpoch() === undefined, { timeout: 10_000 }),
      );
      await vi.waitUntil(() => two.removalEpoch() !== undefined, { timeout: 10_000 });
      expect(two.removalEpoch()).toBeGreaterThan(told);
    });
  });

  describe('failures', () => {
    test('are told by what they mean, and never with the password', async () => {
      const url = new URL(await server.makeDatabase(template));
      const variants: readonly (readonly [url: string, meaning: object, word: string])[] = [
        [url.href.replace(server.password, 'wrong%20pass'), { retryable: false }, '28P01'],
        [url.href.replace(/[^/]*$/, 'nowhere'), { retryable: false }, '3D000'],
        [url.href.replace(/:\d+\//, ':1/'), { retryable: true }, 'ECONNREFUSED'],
        ['postgres://u:wrong pass@[/x', { retryable: false }, 'correct it'],
        ['mysql://u:wrong%20pass@h/x', { retryable: false }, 'correct it'],
      ];
      for (const [variant, meaning, word] of variants) {
        const error: unknown = await open(variant).catch((reason: unknown) => reason);
        expect(error).toMatchObject({ code: 'unavailable', ...meaning });
        const { message, cause } = error as Error;
        expect(message).toContain(word);
        expect(`${message} ${String(cause)}`).not.toMatch(
          new RegExp(`${server.password}|wrong.{1,3}pass`),
        );
      }
    });

    test('a lost server is unavailable, and is back without being opened again', async () => {
      const catalog = await open(await server.makeDatabase(template));
      await catalog.repositories.linkBlob(REPO, named('x'), 1);
      await server.crash();
      // A connection that was idle may not know yet.
      await vi.waitUntil(
        () =>
          catalog.repositories.hasBlob(REPO, named('x')).catch((error: unknown) => {
            expect(error).toMatchObject({ code: 'unavailable', retryable: true });
            return false;
          }),
        { timeout: 10_000 },
      );
    });

    test('a standby that only reads, too many connections, NUL in a text, an integer past 2^53', async () => {
      const url = await server.makeDatabase(template);
      const name = new URL(url).pathname.slice(1);
      const catalog = await open(url);
      await catalog.fleet.seen({
        ...{ id: 'd', kind: 'oci', product: REPO, channel: 'c', platform: 'p', region: '' },
        ...{ seenMs: Number.MAX_SAFE_INTEGER },
      } as Parameters<Catalog['fleet']['seen']>[0]);
      await server.run(url, 'update devices set seen_ms = seen_ms + 1');
      await expect(catalog.fleet.devices({ limit: 1 })).rejects.toMatchObject({ code: 'corrupt' });
      const nul = catalog.repositories.linkBlob('a\0b' as typeof REPO, named('x'), 1);
      await expect(nul).rejects.toMatchObject({ code: 'invalid_name' });
      await server.run(url, `create role guest login password 'guest' connection limit 0`);
      await server.run(url, `alter database ${name} set default_transaction_read_only = on`);
      const readOnly = await open(url);
      const write = readOnly.repositories.linkBlob(REPO, named('x'), 1);
      await expect(write).rejects.toMatchObject({
        code: 'unavailable',
        detail: { sqlstate: '25006' },
      });
      const guest = open(url.replace(/\/\/[^@]*/, '//guest:guest'));
      await expect(guest).rejects.toMatchObject({
        code: 'unavailable',
        detail: { sqlstate: '53300' },
      });
    });
  });
});

/** One of them after the other. */
function at(catalogs: readonly Catalog[], n: number): Catalog {
  const catalog = catalogs[n % catalogs.length];
  if (catalog === undefined) throw new Error('no catalog');
  return catalog;
}
