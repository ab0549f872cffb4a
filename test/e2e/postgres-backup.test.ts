import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openStore } from '../../server/open-store.ts';
import { digestOf } from '../../storage/digest.ts';
import { collectGarbage } from '../../storage/gc/collect.ts';
import { startMinio, type MinioServer } from '../clients/minio.ts';
import { needTool } from '../clients/require.ts';
import { startRivulet, type ServerProcess } from '../clients/rivulet.ts';
import { fetchBytes, imageOf, pushImage, type NodeImage } from '../faults/node-image.ts';
import { needPostgres, startPostgres, type PostgresServer } from '../support/postgres.ts';
import { blocksOf, TypedCommands } from './typed-commands.ts';

const minioPath = needTool('minio');
const bin = needPostgres();
/** Owns the databases; the server's superuser has the name that the document gives to it. */
const OWNER = 'owner';
interface Pushed {
  readonly repo: string;
  readonly image: NodeImage;
}

describe.skipIf(minioPath === undefined || bin === undefined)('docs/operate.md', () => {
  let dir = '';
  let minio: MinioServer;
  let postgres: PostgresServer;
  let server: ServerProcess | undefined;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-pg-backup-'));
    [minio, postgres] = await Promise.all([startMinio(minioPath ?? ''), startPostgres(bin ?? '')]);
  });
  afterEach(async () => {
    await server?.kill();
    await minio.stop();
    await postgres.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const path = (name: string): string => join(dir, name);
  const urlOf = (database: string, password = ':secret'): string =>
    `postgres://${OWNER}${password}@127.0.0.1:${postgres.port}/${database}`;
  const s3 = (bucket: string) => {
    const { endpoint, accessKey, secretKey } = minio;
    return { kind: 's3' as const, endpoint, bucket, accessKey, secretKey };
  };

  /** What the document names, as it is here. */
  function here(block: string): string {
    const { endpoint, accessKey, secretKey } = minio;
    return block
      .replaceAll(/postgres:\/\/rivulet@db\.lan\/(\w+)/g, (_, database: string) =>
        urlOf(database, ''),
      )
      .replaceAll('/mnt/backup', path('backup'))
      .replaceAll('/etc/rivulet', path('etc'))
      .replaceAll('/var/lib/rivulet', path('data-restored'))
      .replaceAll('http://minio.lan:9000', endpoint)
      .replaceAll('accessKey: rivulet', `accessKey: ${accessKey}`)
      .replaceAll('"..."', `"${secretKey}"`);
  }

  /** The databases, as the document makes them, and the files that it takes for granted. */
  async function prepare(): Promise<void> {
    const admin = await postgres.makeDatabase();
    await postgres.run(admin, `create role ${OWNER} login password 'secret'`);
    await mkdir(path('etc'));
    for (const name of ['rivulet', 'restored']) {
      const made = `create database ${name} owner ${OWNER} encoding 'UTF8' template template0`;
      await postgres.run(admin, made);
      await minio.client.makeBucket(name);
    }
    await writeFile(path('etc/restored-url'), urlOf('restored'));
    await writeFile(path('pgpass'), `127.0.0.1:${postgres.port}:*:${OWNER}:secret\n`, {
      mode: 0o600,
    });
    await writeFile(
      path('rivulet.yaml'),
      JSON.stringify({
        data: path('data'),
        store: s3('rivulet'),
        catalog: { kind: 'postgres', url: urlOf('rivulet') },
      }),
    );
  }

  async function serve(settings: string): Promise<string> {
    server = await startRivulet(['serve', '--config', path(settings), '--listen', '127.0.0.1:0']);
    return server.url;
  }

  /** Deletes an image, and collects what nothing needs of what is older than `beforeMs`. */
  async function collect(url: string, { repo, image }: Pushed, beforeMs: number): Promise<number> {
    const gone = `${url}/v2/${repo}/manifests/${image.digest}`;
    expect((await fetch(gone, { method: 'DELETE' })).status).toBe(202);
    const store = await openStore({
      data: path('data-gc'),
      store: { ...s3('rivulet'), region: minio.region, prefix: '' },
      catalog: { kind: 'postgres', url: urlOf('rivulet'), poolSize: 2 },
    });
    try {
      const { removedBlobs } = await collectGarbage({
        ...{ objects: store.blobs.objects, catalog: store.catalog },
        ...{ clock: Date.now, dryRun: false, graceMs: Date.now() - beforeMs },
      });
      return removedBlobs;
    } finally {
      await store.close();
    }
  }

  async function expectServed(url: string, { repo, image }: Pushed): Promise<void> {
    const at = `${url}/v2/${repo}`;
    const manifest = await fetchBytes(`${at}/manifests/${image.digest}`);
    expect(manifest.equals(image.manifest)).toBe(true);
    for (const blob of image.blobs) {
      expect((await fetchBytes(`${at}/blobs/${digestOf(blob)}`)).equals(blob)).toBe(true);
    }
  }

  it('a bucket and PostgreSQL, copied under pushes and a collector, are restored whole', async () => {
    await prepare();
    const commands = await TypedCommands.in(dir, [
      join(bin ?? '', 'pg_dump'),
      join(bin ?? '', 'pg_restore'),
    ]);
    const type = async (block = ''): Promise<string> => {
      const { code, output } = await commands.run(`set -e\n${here(block)}`, {
        PGPASSFILE: path('pgpass'),
      });
      expect(code, output).toBe(0);
      return output;
    };
    const blocks = await blocksOf('A bucket and PostgreSQL');
    expect(blocks).toHaveLength(6);
    const [settings, before, dump, after, settingsRestored, restore] = blocks;

    const url = await serve('rivulet.yaml');
    const doomed: Pushed = { repo: 'edge/doomed', image: imageOf('edge/doomed', 1) };
    await pushImage(() => url, doomed.repo, doomed.image.digest, doomed.image, 0);
    const pushed: Pushed[] = [doomed];
    let version = 0;
    // One moves a tag, from which deltas come; the other pushes by digest.
    const push = async (repo: string, tag?: string): Promise<void> => {
      const image = imageOf(repo, (version += 1));
      await pushImage(() => url, repo, tag ?? image.digest, image, 0);
      pushed.push({ repo, image });
    };
    /** Types a block while two pushers are busy. */
    const typeBusy = async (block: string | undefined): Promise<void> => {
      const pushBoth = () => Promise.all([push('edge/tagged', 'stable'), push('edge/untagged')]);
      await Promise.all([type(block), pushBoth().then(pushBoth)]);
    };
    await type(settings);
    const copiedFromMs = Date.now();
    await typeBusy(before);
    const acknowledged = [...pushed];
    await typeBusy(dump);
    // As old as the rule lets a collector take: from before the first copy.
    expect(await collect(url, doomed, copiedFromMs)).toBeGreaterThanOrEqual(3);
    await typeBusy(after);

    // Without the first copy the dump names what is in neither the bucket nor the copy any more.
    await writeFile(
      path('alone.yaml'),
      JSON.stringify({
        data: path('alone'),
        catalog: { kind: 'postgres', urlFile: path('etc/restored-url') },
      }),
    );
    await type('rivulet migrate-store --from rivulet.yaml --to alone.yaml\n');
    await server?.kill();

    await type(settingsRestored);
    const restored = await type(restore);
    expect(restored).toMatch(/every row looked up in .* 0 faults/);
    expect(restored).toMatch(/checked \d+ objects: 0 faults/);
    const alone = await commands.run('rivulet fsck --quick --config alone.yaml\n');
    expect(alone.code).toBe(1);
    expect(alone.output).toContain(`missing: ${doomed.image.digest}`);

    const again = await serve('restored.yaml');
    for (const one of acknowledged) await expectServed(again, one);
    const next = { repo: 'edge/tagged', image: imageOf('edge/next', 1) };
    await pushImage(() => again, next.repo, 'stable', next.image, 0);
    await expectServed(again, next);
  }, 600_000);
});
