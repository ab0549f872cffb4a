import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { DeltaRow } from '../../../storage/catalog/delta-catalog.ts';
import {
  AMD64,
  openMatrixFixture,
  pushRelease,
  REPO,
  STABLE,
  until,
  type MatrixFixture,
} from './matrix-fixture.ts';

/** Enough for a build to be caught half-way. */
const LARGE = 6_000_000;

let fixture: MatrixFixture;
const children: ChildProcess[] = [];

beforeEach(async () => {
  fixture = await openMatrixFixture();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await fixture.close();
});

async function deltas(): Promise<readonly DeltaRow[]> {
  return fixture.store.catalog.deltas.list({ repo: REPO, limit: 100 });
}

/** Waits until as many deltas are decided, and returns them. */
function decided(count: number): Promise<readonly DeltaRow[]> {
  return until(async () => {
    const rows = await deltas();
    const done = rows.filter(({ state }) => ['published', 'rejected', 'failed'].includes(state));
    return done.length === count ? rows : undefined;
  });
}

/** Waits until the only delta is being built. */
function building(): Promise<DeltaRow> {
  return until(async () => (await deltas()).find(({ state }) => state === 'building'));
}

describe('builders', () => {
  it('chunk the layers and publish one proved delta for each platform', async () => {
    await pushRelease(fixture, '1');
    const matrix = fixture.start();
    await pushRelease(fixture, '2');
    await matrix.plan(REPO, STABLE);
    expect((await deltas()).map(({ platform }) => platform).toSorted()).toEqual([
      'linux/amd64',
      'linux/arm64',
    ]);
    const rows = await decided(2);
    for (const { state, result } of rows) {
      expect(state).toBe('published');
      expect(result?.size).toBeLessThan((result?.fullSize ?? 0) / 2);
      if (result === undefined) throw new Error('no result');
      expect(await fixture.store.blobs.stat(result.digest)).toMatchObject({ size: result.size });
    }
    // The base layer, and each platform's application in two releases.
    expect((await fixture.store.catalog.layers.counts()).chunked).toBe(5);
    const counted = await until(async () => {
      const text = await fixture.metrics.registry.metrics();
      return /rivulet_delta_builds_total\{result="published",kind="image"\} 2/.exec(text)?.[0];
    });
    expect(counted).toBeDefined();
  });

  it('find work that nobody told them of', async () => {
    await pushRelease(fixture, '1', { platforms: [AMD64] });
    await pushRelease(fixture, '2', { platforms: [AMD64] });
    fixture.start({ builders: 2 });
    expect((await decided(1))[0]?.state).toBe('published');
  });

  it('give their job back at once when they are stopped', async () => {
    await pushRelease(fixture, '1', { platforms: [AMD64], bytes: LARGE });
    await pushRelease(fixture, '2', { platforms: [AMD64], bytes: LARGE });
    const matrix = fixture.start({ leaseMs: 3_600_000 });
    await building();
    await matrix.close();
    expect((await deltas())[0]?.state).toBe('pending');
    expect(await fixture.store.catalog.deltas.claim('another', 1000)).toBeDefined();
  });

  it('leave the row to others when their process is killed in mid-build', async () => {
    await pushRelease(fixture, '1', { platforms: [AMD64], bytes: LARGE });
    await pushRelease(fixture, '2', { platforms: [AMD64], bytes: LARGE });
    const child = await startBuilderProcess();
    await building();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(['building', 'proving']).toContain((await deltas())[0]?.state);

    fixture.start();
    const [row] = await decided(1);
    expect(row).toMatchObject({ state: 'published' });
    expect(row?.attempts).toBeGreaterThan(1);
  });

  it('are started again when their thread crashes, and can be stopped meanwhile', async () => {
    const { data } = fixture.config();
    const starts = join(data, 'starts');
    const entry = join(data, 'crash.mjs');
    await writeFile(
      entry,
      `import { appendFileSync } from 'node:fs';
       appendFileSync(${JSON.stringify(starts)}, 'x');
       throw new Error('crash');`,
    );
    const matrix = fixture.start({}, pathToFileURL(entry));
    await until(async () => {
      const text = await readFile(starts, 'utf8').catch(() => '');
      return text.length >= 2 ? text : undefined;
    });
    await matrix.close();
  });
});

/** Another process that builds over the same store, with short leases. */
async function startBuilderProcess(): Promise<ChildProcess> {
  const dist = new URL('../../../dist/server/', import.meta.url);
  const config = fixture.config({ leaseMs: 1500 });
  const program = `
    import { openStore } from ${JSON.stringify(new URL('open-store.js', dist).href)};
    import { startMatrix } from ${JSON.stringify(new URL('matrix/matrix-service.js', dist).href)};
    import { createLogger } from ${JSON.stringify(new URL('observe/logger.js', dist).href)};
    import { createMetrics } from ${JSON.stringify(new URL('observe/metrics.js', dist).href)};
    const config = ${JSON.stringify(config)};
    const { blobs, catalog } = await openStore(config);
    const logger = createLogger('silent');
    startMatrix({ config, blobs, catalog, logger, metrics: createMetrics(), clock: Date.now });
  `;
  const entry = join(config.data, 'builder.mjs');
  await writeFile(entry, program);
  const child = spawn(process.execPath, [entry], { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}
