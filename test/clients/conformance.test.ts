import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { loadServerConfig } from '../../server/config-load.ts';
import { startOrigin } from '../../server/origin.ts';
import { runConformance, suiteVersion } from './conformance-suite.ts';
import { startMinio, type MinioServer } from './minio.ts';
import { needTool } from './require.ts';

const conformance = needTool('conformance');
const minioPath = needTool('minio');

/** The suite makes more than 850; far fewer would mean that it gave up early. */
const MANY = 800;

describe.skipIf(conformance === undefined)('OCI distribution conformance', () => {
  const program = conformance ?? '';
  let dir = '';
  let minio: MinioServer | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-conformance-'));
    if (minioPath !== undefined) minio = await startMinio(minioPath);
    process.stdout.write(`conformance suite: ${await suiteVersion(program)}\n`);
  });
  afterAll(async () => {
    await minio?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function overMinio(): Promise<NodeJS.ProcessEnv> {
    if (minio === undefined) throw new Error('MinIO is not running');
    return {
      RIVULET_STORE_KIND: 's3',
      RIVULET_STORE_ENDPOINT: minio.endpoint,
      RIVULET_STORE_BUCKET: await minio.makeBucket(),
      RIVULET_STORE_ACCESS_KEY: minio.accessKey,
      RIVULET_STORE_SECRET_KEY: minio.secretKey,
    };
  }

  /** One run against a fresh origin; every case has to pass. */
  async function run(specification: string, name: string, env: NodeJS.ProcessEnv) {
    const results = join(dir, name);
    await mkdir(results);
    const flags = { data: join(dir, `${name}-data`), listen: '127.0.0.1:0' };
    const more = { ...env, RIVULET_MATRIX_BUILDERS: '0', RIVULET_LOG_LEVEL: 'silent' };
    const origin = await startOrigin(await loadServerConfig({ flags, env: more }));
    try {
      const report = await runConformance(program, origin.url, specification, results);
      process.stdout.write(`conformance ${name}: ${JSON.stringify(report.totals)}\n`);
      expect(report.notPassed).toEqual([]);
      expect(report.totals).toMatchObject({ errors: 0, failures: 0, skipped: 0, disabled: 0 });
      expect(report.totals.tests).toBeGreaterThan(MANY);
    } finally {
      await origin.close();
    }
  }

  for (const specification of ['1.1', 'dev']) {
    it(`specification ${specification}, folder and SQLite`, async () => {
      await run(specification, `${specification}-folder`, {});
    }, 300_000);

    it.skipIf(minioPath === undefined)(
      `specification ${specification}, MinIO`,
      async () => {
        await run(specification, `${specification}-minio`, await overMinio());
      },
      300_000,
    );
  }
});
