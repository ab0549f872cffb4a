import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { Housekeeping } from '../../../server/matrix/housekeeping.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { scratchFolder } from '../../../server/open-store.ts';
import { parseUploadId } from '../../../storage/keys.ts';
import { openMatrixFixture, REPO, until, type MatrixFixture } from './matrix-fixture.ts';

const DAY_MS = 24 * 3_600_000;

let fixture: MatrixFixture;

beforeEach(async () => {
  fixture = await openMatrixFixture();
});

afterEach(async () => {
  await fixture.close();
});

it('removes at its start what was left behind, and nothing that is in use', async () => {
  const config = fixture.config();
  const { blobs, catalog } = fixture.store;
  const stale = parseUploadId('0'.repeat(32));
  await catalog.uploads.create(stale, REPO);

  const scratch = scratchFolder(config.data);
  await mkdir(join(scratch, 'killed'));
  await writeFile(join(scratch, 'killed', 'layer.tar'), 'half');
  await mkdir(join(scratch, 'running'));
  const nowMs = Date.now();
  const longAgo = (nowMs - 2 * DAY_MS) / 1000;
  await utimes(join(scratch, 'killed'), longAgo, longAgo);

  const stop = new AbortController();
  const keeper = new Housekeeping({
    config,
    blobs,
    catalog,
    logger: createLogger('silent'),
    clock: () => nowMs + 2 * config.uploads.ttlMs,
    signal: stop.signal,
  });
  await until(async () => ((await readdir(scratch)).length === 1 ? true : undefined));
  expect(await readdir(scratch)).toEqual(['running']);
  expect(await catalog.uploads.get(stale)).toBeUndefined();
  stop.abort();
  await keeper.close();
});
