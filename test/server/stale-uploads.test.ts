import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';

import { loadServerConfig } from '../../server/config-load.ts';
import { openStore } from '../../server/open-store.ts';
import { startOrigin } from '../../server/origin.ts';
import { parseRepoName } from '../../storage/names.ts';
import { UploadService } from '../../storage/upload/service.ts';
import { startMinio } from '../clients/minio.ts';
import { needTool } from '../clients/require.ts';

const REPO = parseRepoName('edge/app');
const WEEK_MS = 7 * 24 * 3_600_000;
const minioPath = needTool('minio');

/** An origin that starts ends what was left alone for too long, parts and all, and nothing else. */
async function expectSwept(env: NodeJS.ProcessEnv): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'rivulet-stale-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const flags = { data, listen: '127.0.0.1:0' };
  const more = { ...env, RIVULET_MATRIX_BUILDERS: '0', RIVULET_LOG_LEVEL: 'silent' };
  const config = await loadServerConfig({ flags, env: more });

  let nowMs = Date.now() - WEEK_MS;
  const clock = () => nowMs;
  const store = await openStore(config, clock);
  const { objects } = store.blobs;
  const uploads = new UploadService({ objects, catalog: store.catalog, clock });
  const left = (await uploads.start(REPO)).id;
  for (const text of ['a', 'b']) await uploads.append(REPO, left, [Buffer.from(text)]);
  nowMs = Date.now();
  const live = (await uploads.start(REPO)).id;
  await uploads.append(REPO, live, [Buffer.from('c')]);

  const origin = await startOrigin(config);
  const status = async (id: string) =>
    (await fetch(`${origin.url}/v2/${REPO}/blobs/uploads/${id}`)).status;
  const parts = async () => {
    const found: (string | undefined)[] = [];
    for await (const { key } of objects.list('uploads/')) found.push(key.split('/')[1]);
    return found;
  };
  try {
    while ((await parts()).includes(left)) await sleep(20);
    expect(await status(left)).toBe(404);
    expect(await status(live)).toBe(204);
    expect(await parts()).toEqual([live]);
  } finally {
    await origin.close();
    await store.close();
  }
}

it('a started origin sweeps stale upload sessions of a folder', () => expectSwept({}));

it.skipIf(minioPath === undefined)('and those of a bucket', async () => {
  const minio = await startMinio(minioPath ?? '');
  onTestFinished(() => minio.stop());
  await expectSwept({
    RIVULET_STORE_KIND: 's3',
    RIVULET_STORE_ENDPOINT: minio.endpoint,
    RIVULET_STORE_BUCKET: await minio.makeBucket(),
    RIVULET_STORE_ACCESS_KEY: minio.accessKey,
    RIVULET_STORE_SECRET_KEY: minio.secretKey,
  });
});
