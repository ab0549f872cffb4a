import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { Housekeeping } from '../../../server/matrix/housekeeping.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { scratchFolder } from '../../../server/open-store.ts';
import { parseUploadId } from '../../../storage/keys.ts';
import { openMatrixFixture, REPO, until, type MatrixFixture } from './matrix-fixture.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

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

it('expires no upload by a clock that jumped ahead', async () => {
  const config = fixture.config();
  const { blobs, catalog } = fixture.store;
  const logger = createLogger('silent');
  const warn = vi.spyOn(logger, 'warn');
  const open = parseUploadId('0'.repeat(32));
  await catalog.uploads.create(open, REPO);
  let nowMs = Date.now();
  const clock = (): number => nowMs;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const stop = new AbortController();
  const keeper = new Housekeeping({
    ...{ config, blobs, catalog, logger, clock, uptime: () => 0, signal: stop.signal },
  });
  try {
    nowMs += 3650 * DAY_MS;
    vi.advanceTimersByTime(HOUR_MS);
    await until(() => Promise.resolve(warn.mock.calls.length > 0 || undefined));
    expect(await catalog.uploads.get(open)).toBeDefined();
  } finally {
    stop.abort();
    await keeper.close();
    vi.useRealTimers();
  }
});
