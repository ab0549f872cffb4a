import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { makeScratch } from '../scratch.ts';
import { formatTable } from '../table.ts';
import { needTool } from '../tools.ts';
import { pushBlob, pushes, reads, runLoad, type LoadResult, type Work } from './load.ts';
import { startMinio, type MinioServer } from './minio-server.ts';
import { Origins } from './origins.ts';
import { findPostgres, startPostgres } from './postgres-server.ts';

const SMALL_BYTES = 4096;
const LARGE_BYTES = 8 * 1024 * 1024;

export interface ThroughputOptions {
  /** Numbers of origins. */
  readonly counts: readonly number[];
  readonly clients: number;
  readonly seconds: number;
}

export interface Measured extends LoadResult {
  /** Of all origins together; the database, the store and the clients are beside them. */
  readonly cpuMsEach: number;
}

export interface ThroughputRow {
  readonly title: string;
  readonly small: Measured;
  readonly large: Measured;
  readonly pushes: Measured;
}

/**
 * What one, two, four origins over one MinIO bucket and one PostgreSQL database (which syncs to the
 * disk) do, beside one over a folder and SQLite in the same run.
 */
export async function measureThroughput(
  options: ThroughputOptions,
): Promise<readonly ThroughputRow[]> {
  const minio = await needTool('minio', ['--version'], 'go install github.com/minio/minio@latest');
  const bin = findPostgres();
  if (bin === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  const { path: dir, remove } = await makeScratch('bench-nodes');
  try {
    const rows = [await measure('folder + SQLite, 1 origin', 1, join(dir, 'alone'), {}, options)];
    const store = await startMinio(minio.path);
    try {
      const postgres = await startPostgres(bin, ['fsync=on', 'full_page_writes=on']);
      try {
        for (const count of options.counts) {
          const env = {
            ...(await bucketOf(store)),
            RIVULET_CATALOG_URL: await postgres.makeDatabase(),
          };
          const title = `MinIO + PostgreSQL, ${count} origin${count === 1 ? '' : 's'}`;
          rows.push(await measure(title, count, join(dir, `of-${count}`), env, options));
        }
      } finally {
        await postgres.stop();
      }
    } finally {
      await store.stop();
    }
    return rows;
  } finally {
    await remove();
  }
}

/** A fresh bucket, as an origin's settings say it. */
async function bucketOf(store: MinioServer): Promise<NodeJS.ProcessEnv> {
  return {
    RIVULET_STORE_KIND: 's3',
    RIVULET_STORE_ENDPOINT: store.endpoint,
    RIVULET_STORE_BUCKET: await store.makeBucket(),
    RIVULET_STORE_ACCESS_KEY: store.accessKey,
    RIVULET_STORE_SECRET_KEY: store.secretKey,
  };
}

/** Figures, and ratios to the first row and to one origin of the same kind. */
export function throughputMarkdown(rows: readonly ThroughputRow[]): string {
  const [alone, one] = rows;
  const cells = (of: (row: ThroughputRow) => Measured, unit: (at: Measured) => string) =>
    rows.map((row) => {
      const ratio = (base: ThroughputRow | undefined) =>
        base === undefined ? '' : `${(of(row).perSecond / of(base).perSecond).toFixed(2)}x`;
      const { cpuMsEach } = of(row);
      return [row.title, unit(of(row)), ratio(alone), ratio(one), `${cpuMsEach.toFixed(2)} ms`];
    });
  const table = (title: string, rowsOf: readonly (readonly string[])[]): string =>
    `${title}\n\n${formatTable(['', 'rate', 'to the folder', 'to 1 origin', 'origins’ CPU each'], rowsOf)}\n`;
  return [
    table(
      'Reads of one blob of 4 KiB',
      cells(
        ({ small }) => small,
        ({ perSecond }) => `${Math.round(perSecond)}/s`,
      ),
    ),
    table(
      'Reads of one blob of 8 MiB',
      cells(
        ({ large }) => large,
        ({ bytesPerSecond }) => `${Math.round(bytesPerSecond / 1e6)} MB/s`,
      ),
    ),
    table(
      'Pushes of a new image (64 KiB, three requests that write)',
      cells(
        (row) => row.pushes,
        ({ perSecond }) => `${perSecond.toFixed(1)}/s`,
      ),
    ),
  ].join('\n');
}

async function measure(
  title: string,
  count: number,
  dir: string,
  env: NodeJS.ProcessEnv,
  options: ThroughputOptions,
): Promise<ThroughputRow> {
  process.stderr.write(`${title}\n`);
  await mkdir(dir);
  const origins = await Origins.start(count, dir, env);
  try {
    const [first = ''] = origins.urls;
    const [small, large] = [randomBytes(SMALL_BYTES), randomBytes(LARGE_BYTES)];
    const load = async (work: Work): Promise<Measured> => {
      const before = await origins.cpuSeconds();
      const result = await runLoad(work, origins.urls, options);
      const cpuMs = 1000 * ((await origins.cpuSeconds()) - before);
      return { ...result, cpuMsEach: cpuMs / result.count };
    };
    return {
      title,
      small: await load(reads(await pushBlob(first, small), SMALL_BYTES)),
      large: await load(reads(await pushBlob(first, large), LARGE_BYTES)),
      pushes: await load(pushes),
    };
  } finally {
    await origins.stop();
  }
}
